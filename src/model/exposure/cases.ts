/** Forwards sorted by what rules can tell apart, so that each kind is judged once, however many there are. */
import type { Family } from '../address.ts'
import { deliveryOf, type Endpoint, endpointsOf, type Whereabouts } from '../endpoints.ts'
import { type Forward, familiesOf, isOwn } from '../forward.ts'
import type { Mark } from '../gateway.ts'
import { mapPort } from '../mapping.ts'
import { admittedBy, type Lists } from './admitted.ts'
import { type Classes, classesOf } from './classes.ts'
import type { Machine, Protocol } from './exposure.ts'
import type { Ranges } from './ranges.ts'
import { rangeOfAddress } from './scene.ts'
import type { Openings } from './scenes.ts'

export interface Declared {
  readonly locked: boolean
  readonly mark: Mark
  readonly whereabouts: Whereabouts
  /** Which of the targets of each the health check has found dead. */
  readonly down: ReadonlyMap<string, ReadonlySet<string>>
  readonly lists: Lists
  /** The ports of this machine at which proxies take up what comes by each. */
  readonly entrances: ReadonlyMap<string, readonly number[]>
}

/** One forward that stands for all that end as it does, and where it sends connections. */
export interface Case {
  readonly forward: Forward
  readonly endpoints: readonly Endpoint[]
  /** Where its proxy takes it up; none, where it goes through none. */
  readonly entrance: readonly number[]
}

/** Ports that forwards take at one place: '' for any, `@203.0.113.1`, `%eth0`. */
export interface Taken {
  readonly place: string
  readonly family: Family
  readonly protocol: Protocol
  readonly port: Ranges
}

/** The number of a case, or why the forward is shut whatever others do. */
export type Ticket = number | string

export interface Sorting {
  readonly add: (forward: Forward) => Ticket
  readonly cases: readonly Case[]
  readonly taken: () => readonly Taken[]
}

export function sorting(declared: Declared, machine: Machine): Sorting {
  const classes = classesOf(machine.filters)
  const numbers = new Map<string, number>()
  const cases: Case[] = []
  const ports = new Map<string, Uint8Array>()
  return {
    cases,
    add(forward) {
      const why = whyShut(forward, declared)
      // Whom our own rules keep from a service of this machine, they keep from whoever listens there.
      if (why === undefined || (forward.enabled && isOwn(forward))) mark(ports, forward)
      if (why !== undefined) return why
      const endpoints = takingOf(forward, endpointsOf(forward, declared))
      const entrance = declared.entrances.get(forward.name) ?? []
      const key = `${keyOf(forward, endpoints, machine, classes)}|${entrance.map(classes.ofPort)}`
      const found = numbers.get(key) ?? cases.push({ forward, endpoints, entrance }) - 1
      numbers.set(key, found)
      return found
    },
    taken: () =>
      [...ports].map(([key, marked]) => {
        const [place = '', family, protocol] = key.split(' ')
        return {
          place,
          family: family === '4' ? 4 : 6,
          protocol: protocol as Protocol,
          port: rangesOf(marked),
        }
      }),
  }
}

function whyShut({ enabled, sources }: Forward, { locked, lists }: Declared): string | undefined {
  if (!enabled) return 'it is switched off'
  if (locked) return 'the lockdown keeps it shut'
  if (sources === 'anywhere' || sources.some(({ kind }) => kind === 'prefix')) return undefined
  const admitted = admittedBy(sources, lists)
  return admitted[4].length + admitted[6].length === 0 ? 'its sources admit nobody' : undefined
}

/** Those that new connections go to. */
function takingOf(forward: Forward, endpoints: readonly Endpoint[]): readonly Endpoint[] {
  if (forward.via) return deliveryOf(forward, endpoints, 4).kind === 'proxy' ? endpoints : []
  return familiesOf(forward).flatMap((family) => {
    const delivery = deliveryOf(forward, endpoints, family)
    if (delivery.kind === 'direct') return [delivery.endpoint]
    return delivery.kind === 'pool' ? delivery.taking : []
  })
}

/** '' for any; `@203.0.113.1`, `%eth0`. */
export function placeOf({ listen }: Forward): string {
  if (listen.kind === 'ping') return `@${listen.address.text}`
  const { place } = listen
  return place.kind === 'any' ? '' : place.kind === 'address' ? `@${place.address.text}` : `%${place.name}`
}

const everyPort = [{ first: 1, last: 65535 }] as const

function mark(ports: Map<string, Uint8Array>, forward: Forward): void {
  const { listen } = forward
  const place = placeOf(forward)
  const protocols = listen.kind === 'ping' ? (['icmp'] as const) : listen.protocols
  for (const family of familiesOf(forward))
    for (const protocol of protocols) {
      const key = `${place} ${family} ${protocol}`
      const marked = ports.get(key) ?? new Uint8Array(65537)
      ports.set(key, marked)
      for (const { first, last } of listen.kind === 'ping' ? everyPort : listen.ports)
        marked.fill(1, first, last + 1)
    }
}

function rangesOf(marked: Uint8Array): Ranges {
  const found: { first: bigint; last: bigint }[] = []
  for (let first = marked.indexOf(1); first >= 0; ) {
    const end = marked.indexOf(0, first)
    found.push({ first: BigInt(first), last: BigInt(end - 1) })
    first = marked.indexOf(1, end)
  }
  return found
}

/** What forwards take of the packets to this machine. */
export function openingsOf(taken: readonly Taken[]): Openings {
  return (family, protocol, by) =>
    taken.flatMap(({ place, port, ...one }) => {
      if (one.family !== family || one.protocol !== protocol) return []
      if (place.startsWith('%') && place !== `%${by}`) return []
      const address = place.startsWith('@') ? place.slice(1) : undefined
      return [{ port, ...(address !== undefined && { address: rangeOfAddress(address) }) }]
    })
}

/** All that rules may tell forwards apart by. */
function keyOf(
  forward: Forward,
  endpoints: readonly Endpoint[],
  { ways }: Machine,
  classes: Classes,
): string {
  const { listen } = forward
  const where = endpoints.map(({ address: { text } }) => `${classes.ofAddress(text)} ${ways[text] ?? '?'}`)
  const ports = (of: (port: number) => number) =>
    listen.kind === 'ping'
      ? []
      : listen.ports.map(({ first, last }) => `${classes.ofPort(of(first))}-${classes.ofPort(of(last))}`)
  const there = endpoints.map(({ ports: mapping }) =>
    ports((port) => (listen.kind === 'ping' ? port : mapPort(mapping, port, listen))),
  )
  const protocols = listen.kind === 'ping' ? 'icmp' : listen.protocols.join()
  return [
    placeOf(forward),
    protocols,
    familiesOf(forward),
    isOwn(forward),
    where,
    ports((port) => port),
    there,
  ].join('|')
}

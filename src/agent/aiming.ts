/** Where a probe goes: to an opening of a forward in force and nowhere else, from whoever is asked for. */
import { randomInt } from 'node:crypto'
import { prefixesOf } from '../compile/elements.ts'
import type { Door } from '../kernel/door.ts'
import { readLocalAddresses } from '../kernel/services.ts'
import { smallest } from '../kernel/tracing/packet.ts'
import {
  type Address,
  type Family,
  networkOf,
  parseAddress,
  readAddress,
  whyUnusableAsTarget,
} from '../model/address.ts'
import type { LocalAddress } from '../model/exposure/exposure.ts'
import { type Forward, familiesOf } from '../model/forward.ts'
import { Problem } from '../model/problem.ts'
import type { Probe } from '../model/trace/step.ts'
import type { Holding } from './holding.ts'

interface Place {
  readonly door: Door
  /** The interfaces by which the outside comes. */
  readonly outside: readonly string[]
}

export interface Wanted {
  readonly name: string
  /** Left out: somebody who may use the forward. */
  readonly from?: string | undefined
  /** Of whom is chosen then. */
  readonly family?: Family | undefined
  readonly protocol?: 'tcp' | 'udp' | undefined
  readonly port?: number | undefined
  readonly size?: number | undefined
}

/** Larger packets than a jumbo frame are on no wire. */
const mostBytes = 9_000
/** Ports that no service has. */
const [firstPort, afterLastPort] = [49_152, 61_000]

/** Throws a Problem when no packet of that kind could be for the forward. */
export async function aim(place: Place, holding: Holding, wanted: Wanted): Promise<Probe> {
  const forward = forwardOf(holding, wanted.name)
  const local = readLocalAddresses()
  const isOurs = (address: Address) => local.some(({ text }) => text === address.text)
  const families = wanted.family ? [wanted.family] : familiesOf(forward)
  const source =
    wanted.from === undefined
      ? await someSource(place, holding, forward, isOurs, families)
      : sourceOf(wanted.from, isOurs)
  const { family } = source
  const opening = openingOf(forward, family, wanted)
  const by = await arrivalOf(place, forward, source)
  const destination = destinationOf(forward, local, family, by)
  const size = sizeOf(wanted.size, smallest({ family, protocol: opening.protocol }))
  const probe = { family, ...opening, source: source.text, destination, by, size }
  return unlikeOthers(place.door, probe, forward.name)
}

const mostTries = 100

/**
 * From a port by which its source has no connection there: the answers of that one would be kept here, and connection
 * tracking would be told to forget it.
 */
async function unlikeOthers(
  door: Pick<Door, 'isTracked'>,
  probe: Omit<Probe, 'sourcePort'>,
  name: string,
): Promise<Probe> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const one = { ...probe, sourcePort: randomInt(firstPort, afterLastPort) }
    if (!(await door.isTracked(one))) return one
  }
  throw Problem.of('trace-no-opening', { name, why: `${probe.source} has connections by too many ports` })
}

/** The address that the forward names, or the first of the interface by which the packet comes. */
function destinationOf(
  { name, listen }: Forward,
  local: readonly LocalAddress[],
  family: Family,
  by: string,
): string {
  if (listen.kind === 'ping') return listen.address.text
  if (listen.place.kind === 'address') return listen.place.address.text
  const usable = local.filter((one) => one.family === family && !/^fe80:/.test(one.text))
  const found = usable.find((one) => one.interface === by) ?? usable[0]
  if (found) return found.text
  throw Problem.of('trace-no-opening', { name, why: `this machine has no IPv${family} address` })
}

function forwardOf({ register }: Holding, name: string): Forward {
  const forward = register.named(name)
  const no = (why: string) => Problem.of('trace-no-opening', { name, why })
  if (register.settings.locked) throw no('every forward is shut (drawbridge lockdown --lift opens them)')
  if (!forward.enabled) throw no(`it is off (drawbridge enable ${name} switches it on)`)
  return forward
}

function sourceOf(text: string, isOurs: (address: Address) => boolean): Address {
  const address = parseAddress('from', text)
  const why =
    whyUnusableAsTarget(address) ??
    (isOurs(address)
      ? 'it is an address of this machine, whose own packets arrive by no interface'
      : undefined)
  if (why) throw Problem.of('trace-source', { source: address.text, why })
  return address
}

function openingOf(
  forward: Forward,
  family: Family,
  { protocol, port }: Wanted,
): Pick<Probe, 'protocol' | 'port'> {
  const { name, listen } = forward
  const no = (why: string) => Problem.of('trace-no-opening', { name, why })
  if (!familiesOf(forward).includes(family)) throw no(`nothing of it is for IPv${family}`)
  if (listen.kind === 'ping') {
    if (protocol !== undefined || port !== undefined) throw no('it takes pings and nothing else')
    return { protocol: 'icmp', port: 0 }
  }
  const chosen = protocol ?? listen.protocols[0] ?? 'tcp'
  if (!listen.protocols.includes(chosen)) throw no(`it is not open for ${chosen}`)
  const wanted = port ?? listen.ports[0]?.first ?? 0
  if (!listen.ports.some(({ first, last }) => first <= wanted && wanted <= last))
    throw no(`port ${wanted} is none of it`)
  return { protocol: chosen, port: wanted }
}

/** The interface that leads to the source is the one by which its packets come, unless the forward names one. */
async function arrivalOf(
  { door, outside }: Place,
  { name, listen }: Forward,
  source: Address,
): Promise<string> {
  if (listen.kind === 'ports' && listen.place.kind === 'interface') return listen.place.name
  const by = (await door.way(source))?.interface ?? outside[0]
  if (by === undefined || by === '' || by === 'lo')
    throw Problem.of('trace-no-opening', { name, why: `no interface leads to ${source.text}` })
  return by
}

function sizeOf(size: number | undefined, least: number): number | null {
  if (size === undefined) return null
  if (size < least || size > mostBytes) throw Problem.of('trace-size', { size, least, most: mostBytes })
  return size
}

/** Of networks that are nobody's (RFC 5737, RFC 3849 and 9637), so that no one is mistaken for having asked. */
const nobody = {
  4: ['198.51.100.1', '192.0.2.1', '203.0.113.201'],
  6: ['2001:db8:ffff::1', '3fff::1'],
} as const

/** Somebody whom the forward admits, and whose packets come from outside where there is one. */
async function someSource(
  { door, outside }: Place,
  holding: Holding,
  forward: Forward,
  isOurs: (address: Address) => boolean,
  families: readonly Family[],
): Promise<Address> {
  const candidates = families
    .flatMap((family) => candidatesOf(holding, forward, family))
    .filter((one) => !isOurs(one))
  const inside: Address[] = []
  for (const one of candidates) {
    const by = (await door.way(one))?.interface
    if (by !== undefined && outside.includes(by)) return one
    if (by !== undefined) inside.push(one)
  }
  const [first] = inside
  const nobody =
    candidates.length === 0 ? 'it is open for nobody' : 'nobody of whom it admits has a way to this machine'
  if (!first || forward.sources === 'anywhere')
    throw Problem.of('trace-no-opening', { name: forward.name, why: nobody })
  return first
}

/** Of many sources the first few of each family. */
const mostCandidates = 20

function candidatesOf({ known }: Holding, { sources }: Forward, family: Family): readonly Address[] {
  if (sources === 'anywhere') return nobody[family].map((text) => ({ family, text }))
  const prefixes = prefixesOf(sources, known.lists).filter((one) => one.family === family)
  return prefixes.slice(0, mostCandidates).flatMap(({ text, length }) => hostIn({ family, text }, length))
}

/** The first two hosts of a network, which come after its own address: one of them may be this machine. */
function hostIn(network: Address, length: number): readonly Address[] {
  const whole = network.family === 4 ? 32 : 128
  if (length >= whole - 1) return [network]
  if (length === 0) return nobody[network.family].map((text) => ({ family: network.family, text }))
  const hosts = [1, 2].flatMap((number) => {
    const text =
      network.family === 4
        ? network.text.replace(/\d+$/, (part) => String(Number(part) + number))
        : network.text.replace(/::$|::0$|$/, (end) => (end === '' ? '' : `::${number}`))
    const host = readAddress(text)
    return host && networkOf(host, length) === network.text ? [host] : []
  })
  return hosts.length > 0 ? hosts : [network]
}

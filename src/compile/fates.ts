/** What becomes of established connections when the forwards are as a register has them now. Pure. */
import { networkOf } from '../model/address.ts'
import { endpointsOf, type Known } from '../model/endpoints.ts'
import type { Forward } from '../model/forward.ts'
import { Openings } from '../model/openings.ts'
import type { Register } from '../model/register.ts'
import { admitterOf } from './elements.ts'
import { agrees, type Flow, isUntranslated, type Judging, mustEnd } from './flows.ts'

/**
 * What a change makes of a connection that contradicts it. `move`: its next packet goes to the new target; `break`: it
 * is ended; `drain`: it goes on as it is until it ends by itself.
 */
export type Fate = 'move' | 'drain' | 'break'

/** What may have left connections behind. */
export interface Left {
  /** Forwards as they were before. */
  readonly former: readonly Forward[]
  /** Forwards that may take datagrams from now on; all of them when others had the table, or nothing is known of before. */
  readonly present: readonly Forward[] | 'all'
  /** What no forward explains is from before this agent, and not what it has let go on. */
  readonly unknown: boolean
  /** The addresses of this machine. */
  readonly ours: ReadonlySet<string>
}

export interface Verdict {
  /** The forward that the connection came by or that takes it now; '' when none is known. */
  readonly forward: string
  readonly fate: Fate
}

/** Judges connections that carry our mark; undefined: it is as the forwards want it. */
export function judgeOf(
  register: Register,
  known: Known,
  { former, unknown, ours }: Left,
): (flow: Flow) => Verdict | undefined {
  const judging = judgings(known)
  const takerBefore = formerTaker(former)
  return (flow) => {
    if (register.settings.locked) return lockedVerdict(flow, takerBefore(flow), ours, known)
    const now = takersOf(flow, register.openings)
    if (now.some((forward) => agrees(flow, judging(forward)))) return undefined
    const judge = now[0] ?? takerBefore(flow)
    if (!judge && !unknown) return undefined
    const forward = judge?.name ?? ''
    if (!mustEnd(flow, judge?.onChange ?? 'drain')) return { forward, fate: 'drain' }
    const taken = now.some((taker) => taker.enabled && judging(taker).admits({ ...flow, text: flow.source }))
    return { forward, fate: taken && flow.protocol !== 'tcp' ? 'move' : 'break' }
  }
}

/**
 * Judges datagrams that this machine itself answers, or refuses, on a port that a forward takes: connection tracking
 * remembers that they were not translated, so a steady sender or ping would never meet the forward.
 */
export function overtakerOf(
  register: Register,
  { present, ours }: Left,
): (flow: Flow) => Verdict | undefined {
  const { forwards, openings, settings } = register
  const taking = new Set([...(present === 'all' ? forwards.values() : present)].filter(takesDatagrams))
  return (flow) => {
    if (settings.locked || flow.protocol === 'tcp' || !isUntranslated(flow)) return undefined
    if (!ours.has(flow.destination)) return undefined
    const taker = takersOf(flow, openings).find((forward) => taking.has(forward))
    return taker && { forward: taker.name, fate: 'move' }
  }
}

export function takesDatagrams({ listen, enabled }: Forward): boolean {
  return enabled && (listen.kind === 'ping' || listen.protocols.includes('udp'))
}

/** Whether any connection may have to end when its target does: if none, nobody need look for those there are. */
export function endsWithTarget({ listen, onChange, via }: Forward): boolean {
  // To which target it goes on is the proxy's affair.
  if (via) return false
  const protocols = listen.kind === 'ping' ? (['icmp'] as const) : listen.protocols
  return protocols.some((protocol) => mustEnd({ protocol }, onChange))
}

/** The forwards by whose opening a connection comes; the interface that it came by is not recorded. */
function takersOf(flow: Flow, openings: Openings): readonly Forward[] {
  const address = { family: flow.family, text: flow.destination }
  if (flow.protocol !== 'icmp') return openings.allAt(address, flow.protocol, flow.port)
  const ping = openings.ping(address)
  return ping ? [ping] : []
}

/** A lockdown ends what passes; a session with this machine itself, by which it may be lifted again, stays. */
function lockedVerdict(
  flow: Flow,
  taker: Forward | undefined,
  ours: ReadonlySet<string>,
  { entrances }: Known,
): Verdict | undefined {
  const proxied = [...entrances.values()].some(({ ports }) => ports.includes(flow.targetPort))
  if (flow.protocol === 'tcp' && ours.has(flow.target) && !proxied) return undefined
  return { forward: taker?.name ?? '', fate: 'break' }
}

/** Forwards of several moments may overlap: those that do lie in layers, and the first that has taken a flow is meant. */
function formerTaker(forwards: readonly Forward[]): (flow: Flow) => Forward | undefined {
  const layers: Openings[] = []
  for (const forward of forwards) {
    const free = layers.find((layer) => !layer.holderOf(forward))
    if (free) free.add(forward)
    else layers.push(layerOf(forward))
  }
  return (flow) => {
    for (const layer of layers) {
      const [taker] = takersOf(flow, layer)
      if (taker) return taker
    }
    return undefined
  }
}

function layerOf(forward: Forward): Openings {
  const layer = new Openings()
  layer.add(forward)
  return layer
}

/** Whom a forward admits, and where it sends, is worked out once for all flows: a list may have thousands of prefixes. */
function judgings(known: Known): (forward: Forward) => Judging {
  const made = new Map<Forward, Judging>()
  return (forward) => {
    const judging = made.get(forward) ?? {
      forward,
      endpoints: endpointsOf(forward, known),
      entrance: known.entrances.get(forward.name),
      admits: admitterOf(forward, known.lists),
    }
    made.set(forward, judging)
    return judging
  }
}

/** Connections of one forward that a change treats alike. */
export interface Effect extends Verdict {
  readonly flows: number
  /** The networks that the clients are in, the busiest first: /24 of IPv4, /64 of IPv6. */
  readonly networks: readonly { readonly network: string; readonly flows: number }[]
  /** Further networks that are not named. */
  readonly more: number
}

const mostNetworks = 8
const clientNetworkLength = { 4: 24, 6: 64 } as const

/** What happens to whom, breaks first; effects of the same weight by name. */
export function effectsOf(judged: readonly (Verdict & { readonly flow: Flow })[]): readonly Effect[] {
  const groups = new Map<string, { verdict: Verdict; networks: Map<string, number> }>()
  for (const { forward, fate, flow } of judged) {
    const key = `${forward} ${fate}`
    const group = groups.get(key) ?? { verdict: { forward, fate }, networks: new Map() }
    const length = clientNetworkLength[flow.family]
    const network = `${networkOf({ family: flow.family, text: flow.source }, length)}/${length}`
    group.networks.set(network, (group.networks.get(network) ?? 0) + 1)
    groups.set(key, group)
  }
  return [...groups.values()].map(({ verdict, networks }) => effectOf(verdict, networks)).sort(gravestFirst)
}

function effectOf(verdict: Verdict, counts: ReadonlyMap<string, number>): Effect {
  const networks = [...counts]
    .map(([network, flows]) => ({ network, flows }))
    .sort((a, b) => b.flows - a.flows || (a.network < b.network ? -1 : 1))
  return {
    ...verdict,
    flows: networks.reduce((sum, { flows }) => sum + flows, 0),
    networks: networks.slice(0, mostNetworks),
    more: Math.max(0, networks.length - mostNetworks),
  }
}

const gravity: Readonly<Record<Fate, number>> = { break: 0, move: 1, drain: 2 }

function gravestFirst(a: Effect, b: Effect): number {
  return gravity[a.fate] - gravity[b.fate] || b.flows - a.flows || (a.forward < b.forward ? -1 : 1)
}

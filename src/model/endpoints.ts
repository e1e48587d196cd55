/** What the targets of a forward are at the moment: the addresses that names stand for, and which of them take connections. */
import { type Address, type Family, withPort } from './address.ts'
import type { Condition } from './condition.ts'
import { isNamed, printDestination } from './destination.ts'
import type { Forward } from './forward.ts'
import { type Listen, listenFamily } from './listen.ts'
import { allTo, mapPort, type PortMapping } from './mapping.ts'
import type { List } from './sources.ts'
import type { Target } from './target.ts'

/** One address that a name stands for. A service record also has a port, and a share among those of its name. */
export interface Located {
  readonly address: Address
  readonly port?: number
  readonly weight?: number
}

/** By destination as it is written: `app.example.org`, `srv:_http._tcp.example.org`, `container:web`. */
export type Whereabouts = ReadonlyMap<string, readonly Located[]>

/** Endpoints, by `endpointKey`, that their forward's health check has found dead; by the forward's name. */
type Down = ReadonlyMap<string, ReadonlySet<string>>

/** How many quarters of their weight endpoints are given that are back since a short while; by the forward's name. */
type Warming = ReadonlyMap<string, ReadonlyMap<string, number>>
export const allQuarters = 4

/** Where a proxy takes up what a forward, or several that share an opening, send it. */
export interface Entrance {
  /** By which the rules of the kernel know the opening. */
  readonly number: number
  /** The port of the proxy on this machine for each port of the opening, in order. */
  readonly ports: readonly number[]
}

/** What forwards name, and what it stands for now. */
export interface Known {
  readonly lists: ReadonlyMap<string, List>
  readonly whereabouts: Whereabouts
  readonly down: Down
  readonly warming: Warming
  /** By the forward's name. */
  readonly entrances: ReadonlyMap<string, Entrance>
}

export const nothingKnown: Known = {
  lists: new Map(),
  whereabouts: new Map(),
  down: new Map(),
  warming: new Map(),
  entrances: new Map(),
}

/** Whether some of its targets are where Docker says. */
export function namesContainer({ targets }: Pick<Forward, 'targets'>): boolean {
  return targets.some(({ destination }) => destination.kind === 'container')
}

/** What is known while Docker has not been asked: an address that a container had may be another's by then. */
export function withoutContainers(known: Known): Known {
  const others = [...known.whereabouts].filter(([named]) => !named.startsWith('container:'))
  return { ...known, whereabouts: new Map(others) }
}

/** `up` takes new connections; the others keep those they have. */
export interface Endpoint {
  /** The destination of its target, as it is written. */
  readonly by: string
  readonly address: Address
  readonly ports: PortMapping
  readonly weight: number
  /** So many quarters of its weight count at the moment. */
  readonly quarters: number
  readonly state: 'up' | 'draining' | 'down'
}

/** A name may stand for so many endpoints of one family and no more. */
export const mostEndpoints = 100

/** A forward has at most so many of a family, whatever its names stand for: in the kernel one byte tells them apart. */
export const mostMembers = 256

/** The first of each family, as many as may be. */
export function bounded(located: readonly Located[]): readonly Located[] {
  return ([4, 6] as const).flatMap((family) =>
    located.filter(({ address }) => address.family === family).slice(0, mostEndpoints),
  )
}

/** In the order of the targets, as many as may be; the same address and ports twice are one. None of a forward to `self`. */
export function endpointsOf(
  { name, listen, targets, via }: Pick<Forward, 'name' | 'listen' | 'targets' | 'via'>,
  { whereabouts, down, warming }: Pick<Known, 'whereabouts' | 'down'> & Partial<Pick<Known, 'warming'>>,
): readonly Endpoint[] {
  const dead = down.get(name)
  const warm = warming?.get(name)
  const family = via ? undefined : listenFamily(listen)
  const found = new Map<string, Endpoint>()
  const left = { 4: mostMembers, 6: mostMembers }
  for (const target of targets) {
    for (const located of locate(target, whereabouts)) {
      if (family !== undefined && located.address.family !== family) continue
      const by = printDestination(target.destination)
      const endpoint = { by, address: located.address, ...mapped(target, located, listen) }
      const key = endpointKey(endpoint, listen)
      const state = target.drain ? 'draining' : dead?.has(key) ? 'down' : 'up'
      if (found.has(key) || left[located.address.family] === 0) continue
      left[located.address.family] -= 1
      found.set(key, { ...endpoint, quarters: warm?.get(key) ?? allQuarters, state })
    }
  }
  return [...found.values()]
}

function locate({ destination }: Target, whereabouts: Whereabouts): readonly Located[] {
  if (destination.kind === 'address') return [{ address: destination.address }]
  const located = isNamed(destination) ? (whereabouts.get(printDestination(destination)) ?? []) : []
  return bounded(located)
}

function mapped({ ports, weight }: Target, located: Located, listen: Listen) {
  const { port } = located
  return {
    ports: port === undefined || listen.kind === 'ping' ? ports : allTo(port, listen),
    weight: weight * (located.weight ?? 1),
  }
}

/** `10.0.0.5:80`: the address with the port that the first port of the opening goes to. */
export function endpointKey({ address, ports }: Pick<Endpoint, 'address' | 'ports'>, listen: Listen): string {
  if (listen.kind === 'ping') return address.text
  return withPort(address, String(mapPort(ports, listen.ports[0]?.first ?? 0, listen)))
}

/** What becomes of new connections of one family. */
export type Delivery =
  /** To a proxy on this machine, which knows where it goes on. */
  | { readonly kind: 'proxy' }
  /** To the service of this machine. */
  | { readonly kind: 'own' }
  /** One place, and there is no other to choose. */
  | { readonly kind: 'direct'; readonly endpoint: Endpoint }
  /** `taking` are those among `endpoints` that a new connection may go to. */
  | { readonly kind: 'pool'; readonly endpoints: readonly Endpoint[]; readonly taking: readonly Endpoint[] }
  /** Nobody is there to take it. */
  | { readonly kind: 'refuse' }

/** Of several forwards that share an opening the kernel cannot tell which is meant, so the proxy is always asked. */
function isProxyReady(
  { via, onAllDown }: Pick<Forward, 'via' | 'onAllDown'>,
  endpoints: readonly Endpoint[],
): boolean {
  const takes = ({ state }: Endpoint) => state === 'up' || (state === 'down' && onAllDown === 'keep')
  return via?.sni != null || endpoints.some(takes)
}

export function deliveryOf(
  forward: Pick<Forward, 'targets' | 'onAllDown' | 'via'>,
  endpoints: readonly Endpoint[],
  family: Family,
): Delivery {
  if (forward.targets.some(({ destination }) => destination.kind === 'self')) return { kind: 'own' }
  if (forward.via) return isProxyReady(forward, endpoints) ? { kind: 'proxy' } : { kind: 'refuse' }
  const all = endpoints.filter(({ address }) => address.family === family)
  const up = all.filter(({ state }) => state === 'up')
  const down = all.filter(({ state }) => state === 'down')
  const taking = up.length === 0 && forward.onAllDown === 'keep' ? down : up
  const [first] = taking
  if (!first) return { kind: 'refuse' }
  return all.length === 1 ? { kind: 'direct', endpoint: first } : { kind: 'pool', endpoints: all, taking }
}

/** An endpoint as it is told to people. */
export interface EndpointView {
  /** The destination of its target, as it is written. */
  readonly by: string
  /** `10.0.0.5:80`: with the port that the first port of the opening goes to. */
  readonly at: string
  readonly weight: number
  /** It is back since a short while, and this much of its weight counts: 1 to 4 quarters. */
  readonly quarters: number
  readonly state: Endpoint['state']
  /** Connections that it was given, since its forward was last changed. */
  readonly connections: number
  /** Connections that it has at this moment; null where that was not asked, as it takes new ones. */
  readonly open: number | null
  /** What its checks have found; null where it is not checked. */
  readonly checked: Condition | null
}

/**
 * All that can be measured about one forward, in bounded time and without changing anything. Only what a forward in force
 * names is asked, as in probing.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Door } from '../../kernel/door.ts'
import { readDropLines } from '../../kernel/droplog.ts'
import type { HostFacts } from '../../kernel/host.ts'
import {
  readForwardingSwitches,
  readLinkVitals,
  readLoad,
  readLosses,
  readPressure,
  readTicks,
  readTracking,
} from '../../kernel/vitals.ts'
import type { Way } from '../../kernel/ways.ts'
import { type Address, readAddress } from '../../model/address.ts'
import type { Ban } from '../../model/bans.ts'
import { type Endpoint, endpointKey, endpointsOf } from '../../model/endpoints.ts'
import {
  type EndpointExam,
  type Examination,
  type Knocks,
  type LinkExam,
  type Losses,
  mostExamined,
} from '../../model/examination.ts'
import { type Forward, isOwn } from '../../model/forward.ts'
import { mapPort } from '../../model/mapping.ts'
import type { Banning } from '../banning.ts'
import { countForwards } from '../counting.ts'
import { outsideOf } from '../exposing.ts'
import type { Holding } from '../holding.ts'
import type { Tracing } from '../tracing.ts'
import { flowsExamined, flowsOf } from './flowing.ts'
import { isHindered } from './hindrance.ts'
import { fitting, knock, pingsOften, sendsDatagram, takesTcp } from './knocking.ts'

interface Sight {
  readonly door: Door
  readonly readHost: () => HostFacts
  readonly bans: Pick<Banning, 'book'>
  readonly tracing: Pick<Tracing, 'uncounted'>
}

/** Nobody is expected here (traceroute(8) begins at this one). */
const unlikelyPort = 33434
const mostLines = 5
/** Where more pings are lost, a size that does not come through says nothing. */
const mostLost = 1
/** In its own network a host answers in a millisecond. */
const asking = 400
const nap = 10
/** So long it is watched what is lost meanwhile; an answer takes no longer from the other side of the world. */
const watching = 500

/** Null when no such forward is held. */
export async function examine(
  sight: Sight,
  holding: Holding,
  { name, client }: { readonly name: string; readonly client: string | null },
): Promise<Examination | null> {
  const forward = holding.register.forwards.get(name)
  if (!forward) return null
  const { door, readHost } = sight
  const began = performance.now()
  const [losses, ticks, counted] = [readLosses(), readTicks(), await countsOf(sight, holding, name)]
  const { addresses } = readHost()
  const links = await linksOf(door)
  const { mark } = holding.register.settings
  const flows = await flowsOf(door, mark, forward)
  const [endpoints, outside, filters] = await Promise.all([
    endpointsExamined(door, forward, holding, { addresses, links }),
    outsideOf(sight),
    door.filters(),
    sleep(watching),
  ])
  const from = client === null ? undefined : readAddress(client)
  const now = await countsOf(sight, holding, name)
  const { tracked, most, buckets } = readTracking()
  return {
    links,
    addresses,
    outside,
    ...readForwardingSwitches(),
    tracked,
    mostTracked: most,
    buckets,
    endpoints,
    hindered: isHindered(filters) || (await door.routesBySource()),
    flows: flowsExamined(await flowsOf(door, mark, forward), flows, client),
    losses: difference(readLosses(), losses),
    machine: { ...readLoad(), ...spentOf(ticks), memory: readPressure() },
    refused: now.refused,
    limited: now.limited,
    limitedNow: now.limited - counted.limited,
    clientBy: from ? ((await door.way(from))?.interface ?? null) : null,
    bans: from ? await bansOf(sight, from) : [],
    logged: loggedOf(forward),
    milliseconds: Math.round(performance.now() - began),
  }
}

async function bansOf({ door, bans: { book } }: Sight, client: Address): Promise<readonly Ban[]> {
  const found = book.holding(client)
  const elements = found.map(({ address }) => book.elementFor(address))
  const counts = await door.countElements(elements.filter((one) => one !== undefined))
  let at = 0
  return found.map((ban, index) => ({ ...ban, dropped: elements[index] ? (counts[at++] ?? 0) : 0 }))
}

async function countsOf({ door, tracing: { uncounted } }: Sight, holding: Holding, name: string) {
  const number = holding.numberOf(name)
  const [counted] = number === undefined ? [] : await countForwards({ door, uncounted }, holding, [number])
  return counted ?? { refused: 0, limited: 0 }
}

async function linksOf(door: Door): Promise<Record<string, LinkExam>> {
  const carriers = (await door.carriers()).filter(({ name }) => name !== 'lo')
  const vitals = readLinkVitals(carriers.map(({ name }) => name))
  return Object.fromEntries(
    carriers.flatMap(({ name, ...carrier }) => {
      const found = vitals[name]
      return found ? [[name, { ...carrier, ...found }] as const] : []
    }),
  )
}

function difference(now: Losses, before: Losses): Losses {
  const less = (name: keyof Losses) => Math.max(0, now[name] - before[name])
  return {
    trackingFull: less('trackingFull'),
    trackingClashes: less('trackingClashes'),
    reversePath: less('reversePath'),
    listenOverflows: less('listenOverflows'),
    softnet: less('softnet'),
  }
}

function spentOf(before: ReturnType<typeof readTicks>): { steal: number; softirq: number } {
  const now = readTicks()
  const all = Math.max(1, now.all - before.all)
  const share = (ticks: number) => Math.round((100 * ticks) / all)
  return { steal: share(now.steal - before.steal), softirq: share(now.softirq - before.softirq) }
}

interface Around {
  readonly addresses: readonly string[]
  readonly links: Readonly<Record<string, LinkExam>>
}

/** A service of this machine is asked under an address of it. */
async function endpointsExamined(
  door: Door,
  forward: Forward,
  { known }: Holding,
  around: Around,
): Promise<readonly EndpointExam[]> {
  if (!forward.enabled || isOwn(forward)) return []
  const some = endpointsOf(forward, known).slice(0, mostExamined)
  return Promise.all(some.map((endpoint) => examined(door, forward, endpoint, around)))
}

async function examined(
  door: Door,
  { listen }: Forward,
  endpoint: Endpoint,
  { addresses, links }: Around,
): Promise<EndpointExam> {
  const { address, state } = endpoint
  const protocols = listen.kind === 'ports' ? listen.protocols : []
  const port = listen.kind === 'ports' ? mapPort(endpoint.ports, listen.ports[0]?.first ?? 0, listen) : null
  const own = addresses.includes(address.text)
  const base = { at: endpointKey(endpoint, listen), address, port, state, own }
  const way = await door.way(address)
  if (!way) {
    const unasked = {
      neighbour: 'unasked',
      tcp: null,
      held: null,
      alsoTcp: null,
      udp: null,
      closedPort: null,
    } as const
    return { ...base, way: null, refusal: await door.refusal(address), ...unasked, pings: null, size: null }
  }
  const asks = port !== null
  const onlyUdp = asks && !protocols.includes('tcp')
  const [tcp, alsoTcp, udp, closedPort, pings] = await Promise.all([
    asks && protocols.includes('tcp') ? knock(address, port) : null,
    onlyUdp ? takesTcp(address, port) : null,
    asks ? sendsDatagram(address, port) : null,
    asks ? sendsDatagram(address, unlikelyPort) : null,
    pingsOften(address),
  ])
  const link = links[way.interface]?.mtu ?? 1500
  const size =
    own || !pings || pings.answered < pings.sent - mostLost
      ? null
      : await fitting(address, Math.min(link, 9000))
  return {
    ...base,
    way: {
      by: way.interface,
      via: way.next.text === address.text ? '' : way.next.text,
      isDefault: way.isDefault,
    },
    refusal: null,
    neighbour: own ? 'own' : await neighbourOf(door, way, isHeard({ tcp: tcp?.tcp, udp, pings })),
    tcp: tcp?.tcp ?? null,
    held: tcp?.held ?? null,
    alsoTcp,
    udp,
    closedPort,
    pings,
    size,
  }
}

function isHeard({
  tcp,
  udp,
  pings,
}: { tcp: Knocks | undefined } & Pick<EndpointExam, 'udp' | 'pings'>): boolean {
  const answered = (tcp?.answers ?? 0) + (tcp?.refuses ?? 0) + (pings?.answered ?? 0) > 0
  return answered || udp === 'refused' || udp === 'answers'
}

/**
 * Of a host that has gone the kernel believes for half a minute that it is there (`base_reachable_time_ms` in arp(7)), so
 * of one that is silent the entry is forgotten, and the kernel asks its network.
 */
async function neighbourOf(door: Door, way: Way, heard: boolean): Promise<EndpointExam['neighbour']> {
  if (heard) return door.neighbour(way)
  if (await door.isNeighbourFixed(way)) return 'fixed'
  await door.forgetNeighbour(way)
  await door.useNeighbour(way)
  for (let waited = 0; waited < asking && (await door.neighbour(way)) !== 'there'; waited += nap)
    await sleep(nap)
  return door.neighbour(way)
}

/** Ports of the opening and of the target, as a rule may have logged before or after the translation. */
function loggedOf({ listen, targets }: Forward): readonly string[] {
  if (listen.kind === 'ping') return []
  const wanted = listen.ports.flatMap(({ first }) => [
    first,
    ...targets.map(({ ports }) => mapPort(ports, first, listen)),
  ])
  const isOurs = (line: string) => wanted.some((port) => line.includes(` DPT=${port} `))
  return readDropLines(Date.now()).filter(isOurs).slice(-mostLines)
}

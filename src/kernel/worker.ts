/** The thread that talks to the kernel, so that nobody else waits for it. Each message is one call of `KernelCalls`. */
import { parentPort } from 'node:worker_threads'
import type { Difference } from '../compile/difference.ts'
import type { Element } from '../compile/element.ts'
import { layoutOf } from '../compile/sets.ts'
import type { Address } from '../model/address.ts'
import type { Mark } from '../model/gateway.ts'
import type { Listener } from '../model/listeners.ts'
import type { Probe } from '../model/trace/step.ts'
import { readBridges } from './bridges.ts'
import { type Carrier, readCarriers } from './carriers.ts'
import { readForeignChains } from './chains.ts'
import { readIpset, readIpsetHeads } from './denials/ipsets.ts'
import type { Interest, Place } from './denials/places.ts'
import { readDenials } from './denials/reading.ts'
import { destroyLocal } from './destroying.ts'
import { untorn } from './dump.ts'
import { readFilters } from './filters/reading.ts'
import { endFlow, isTracked, readFlows, remarkFlow, type TrackedFlow, trackedProbe } from './flows.ts'
import { readHolders } from './holders.ts'
import { openNft, openOwner } from './libnftables.ts'
import { readLinks, readPrograms } from './links.ts'
import { readListeners } from './listeners.ts'
import { NETLINK_ROUTE, NETLINK_SOCK_DIAG, openNetlink } from './netlink.ts'
import { readOthers } from './others/reading.ts'
import { routesBySource } from './policy.ts'
import { readReturnPaths } from './returning.ts'
import { readDefaultInterfaces } from './routes.ts'
import { type ChainInfo, readChains, readRules } from './ruleset.ts'
import { readServices } from './services.ts'
import { readSessions } from './sessions.ts'
import { readChainNames, readFingerprint, readSetNames } from './structure.ts'
import { countElements, readSet, writeDifference } from './table.ts'
import {
  findRefusal,
  findWay,
  findWayIn,
  forgetNeighbour,
  isNeighbourFixed,
  readNeighbour,
  readWays,
  useNeighbour,
  type Way,
  type WayInQuestion,
} from './ways.ts'

/** Enough for a transaction of 64,000 forwards and their options. */
const bufferBytes = 256 * 1024 * 1024

const netlink = openNetlink(bufferBytes)
const routes = openNetlink(4 * 1024 * 1024, NETLINK_ROUTE)
const sockets = openNetlink(4 * 1024 * 1024, NETLINK_SOCK_DIAG)
const nft = openNft()
const owner = openOwner()
const prober = openOwner()

/** A chain as netlink names its table. */
type ChainPlace = Pick<ChainInfo, 'family' | 'table'> & { readonly chain: string }

const calls = {
  /** The socket by which elements are written. */
  port: () => netlink.port,
  /** The interfaces that default routes leave by. */
  defaultInterfaces: () => readDefaultInterfaces(routes),
  /** The way to an address; undefined when there is none. */
  way: (address: Address) => findWay(routes, address),
  /** Why there is no way; null when there is one. */
  refusal: (address: Address) => findRefusal(routes, address),
  /** Whether the way of a packet depends on who sends it. */
  routesBySource: () => routesBySource(routes),
  /** Every interface. */
  carriers: (): Carrier[] => readCarriers(routes),
  neighbour: (way: Way) => readNeighbour(routes, way),
  isNeighbourFixed: (way: Way) => isNeighbourFixed(routes, way),
  forgetNeighbour: (way: Way) => forgetNeighbour(routes, way),
  useNeighbour: (way: Way) => useNeighbour(routes, way),
  /** What listens on this machine. */
  listeners: () => readListeners(sockets),
  /** Destination NAT that other programs made. */
  others: () => readOthers(netlink),
  /** The chains of other programs. */
  foreignChains: () => readForeignChains(netlink),
  /** Whom other programs deny. */
  denials: (interest: Interest) => readDenials(netlink, interest),
  /** The ipsets whose names begin so, and whom one of them denies. */
  ipsetHeads: (beginnings: readonly string[]) => readIpsetHeads(netlink, beginnings),
  ipset: (place: Place) => readIpset(netlink, place),
  /** Every socket that takes packets from elsewhere, with who holds it. */
  services: () => readServices(sockets),
  /** The interfaces of this machine, and what sees their packets outside of all rules. */
  links: () => {
    const links = readLinks(routes)
    return { links, programs: readPrograms(routes, links) }
  },
  /** To which sources answers would leave by these interfaces. */
  returns: (names: readonly string[]) => readReturnPaths(routes, names),
  /** What other programs' rules do to packets from outside. */
  filters: () => readFilters(netlink),
  /** The interfaces by which these are reached. */
  ways: (addresses: readonly string[]) => readWays(routes, addresses),
  /** The bridges that send nothing back by the port it came by. */
  bridges: () => readBridges(routes),
  /** Who holds these. */
  holders: (listeners: readonly Listener[]) => readHolders(sockets, listeners),
  /** Who is connected to these ports of this machine. */
  sessions: (ports: readonly number[]) => readSessions(sockets, ports),
  /** Runs nft text as one transaction. */
  runNft: (text: string) => nft.run(text),
  /** Runs nft text by a socket that owns what it makes, until it is let go. */
  own: (text: string) => owner.own(text),
  letGo: () => owner.letGo(),
  /** The same, for the table of a probe. */
  ownProbe: (text: string) => prober.own(text),
  letGoProbe: () => prober.letGo(),
  /** Whether somebody has a connection that a probe would be taken for. */
  isTracked: (probe: Probe) => isTracked(netlink, trackedProbe(probe)),
  /** What connection tracking remembers of a probe. */
  endProbe: (probe: Probe) => endFlow(netlink, trackedProbe(probe)),
  /** Where routing would send a packet that comes in. */
  wayIn: (question: WayInQuestion) => findWayIn(routes, question),
  /** Every chain of every table, and the handles of the rules of one. */
  chains: () => untorn(netlink, readChains),
  ruleHandles: ({ family, table, chain }: ChainPlace) =>
    untorn(netlink, (reader) => readRules(reader, family, table, chain).map(({ handle }) => Number(handle))),
  /** Commits a difference; gives the added elements that are not there afterwards. */
  write: (difference: Difference) => writeDifference(netlink, difference),
  /** What each of these elements has counted. */
  countElements: (elements: readonly Element[]) => countElements(netlink, elements),
  fingerprint: () => readFingerprint(netlink),
  setNames: () => readSetNames(netlink),
  chainNames: () => readChainNames(netlink),
  /** The elements of these sets, by set and key. */
  read: (sets: readonly string[]) =>
    new Map(sets.map((set) => [set, new Map(readSet(netlink, set).map(({ key, data }) => [key, data]))])),
  /** What the elements of these sets have counted, by set and key. */
  counts: (sets: readonly string[]) =>
    new Map(
      sets
        .filter((set) => layoutOf(set).counter)
        .map((set) => [set, new Map(readSet(netlink, set).map(({ key, count }) => [key, count]))]),
    ),
  flows: (mark: Mark) => readFlows(netlink, mark),
  /** Gives the flows of one mark another. */
  remarkFlows: ({ from, to }: { readonly from: Mark; readonly to: Mark }) => {
    for (const flow of readFlows(netlink, from)) remarkFlow(netlink, flow, from, to)
  },
  endFlows: (flows: readonly TrackedFlow[]) => {
    destroyLocal(sockets, flows)
    for (const flow of flows) endFlow(netlink, flow)
  },
} as const

export type KernelCalls = typeof calls

export interface CallMessage {
  readonly id: number
  readonly name: keyof KernelCalls
  readonly argument: unknown
}

export type ReplyMessage = { readonly id: number } & ({ readonly value: unknown } | { readonly error: Error })

parentPort?.on('message', ({ id, name, argument }: CallMessage) => {
  try {
    const call = calls[name] as (argument: unknown) => unknown
    parentPort?.postMessage({ id, value: call(argument) } satisfies ReplyMessage)
  } catch (error) {
    parentPort?.postMessage({ id, error: error as Error } satisfies ReplyMessage)
  }
})

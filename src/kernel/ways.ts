/**
 * The way to one address and the neighbour at its first step, by rtnetlink. Source: rtnetlink(7), and
 * include/uapi/linux/{rtnetlink,neighbour}.h; RTM_F_FIB_MATCH (Linux 4.13) gives the route that was taken instead of its
 * outcome, and a single neighbour can be asked for since Linux 5.0.
 */
import { type Address, parseAddress } from '../model/address.ts'
import { addressText, encodeFields } from './fields.ts'
import { KernelError, type Netlink } from './netlink.ts'
import { attributes } from './nfnetlink.ts'
import { interfaceIndex, interfaceName, routeAttribute, routeMessage } from './rtnetlink.ts'

const RTM_GETROUTE = 26
const RTM_NEWNEIGH = 28
const RTM_DELNEIGH = 29
const RTM_GETNEIGH = 30
const NLM_F_REQUEST = 0x1
const NLM_F_ACK = 0x4
const NLM_F_CREATE = 0x400
const RTM_F_FIB_MATCH = 0x2000
const NTF_USE = 1
const failed = 0x01 | 0x20 // NUD_INCOMPLETE, NUD_FAILED
const lasting = 0x40 | 0x80 // NUD_NOARP, NUD_PERMANENT
const resolved = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80
const families = { 4: 2, 6: 10 } as const
const route = { destination: 1, source: 2, arrival: 3, interface: 4, gateway: 5, via: 18 } as const
const neighbourAddress = 1
const routeMessageLength = 12
const neighbourMessageLength = 12

export interface Way {
  readonly interface: string
  readonly index: number
  /** The next router, or the address itself. */
  readonly next: Address
  /** Only a default route leads there. */
  readonly isDefault: boolean
}

/** Undefined when there is no route. */
export function findWay(netlink: Netlink, address: Address): Way | undefined {
  const taken = askRoute(netlink, address, 0)
  if (!taken) return undefined
  const parts = attributes(taken.subarray(routeMessageLength))
  const index = parts.get(route.interface)?.readUInt32LE(0) ?? 0
  const matched = askRoute(netlink, address, RTM_F_FIB_MATCH)
  return {
    interface: interfaceName(index) ?? '',
    index,
    next: nextHop(parts, address),
    isDefault: matched !== undefined && matched.readUInt8(1) === 0,
  }
}

export interface WayInQuestion {
  readonly source: string
  readonly destination: string
  /** The interface by which the packet comes. */
  readonly by: string
}

/** Where a packet goes, or the error by which the kernel refuses it, as a number of errno(3). */
export type WayIn =
  | { readonly kind: 'way'; readonly interface: string; readonly next: string }
  | { readonly kind: 'refused'; readonly errno: number }

/** Has the kernel route a packet as it would one from the wire, rp_filter and forwarding included (inet_rtm_getroute). */
export function findWayIn(netlink: Netlink, { source, destination, by }: WayInQuestion): WayIn {
  const [from, to] = [parseAddress('source', source), parseAddress('destination', destination)]
  const index = Buffer.alloc(4)
  index.writeUInt32LE(interfaceIndex(by))
  const bits = to.family === 4 ? 32 : 128
  const body = Buffer.alloc(routeMessageLength)
  body.writeUInt8(families[to.family], 0)
  body.writeUInt8(bits, 1)
  body.writeUInt8(bits, 2)
  const request = routeMessage(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK, [
    body,
    addressAttribute(route.destination, to),
    addressAttribute(route.source, from),
    routeAttribute(route.arrival, index),
  ])
  try {
    const found =
      netlink.request(request, 'asking for the way of a packet')[0]?.body ?? Buffer.alloc(routeMessageLength)
    const parts = attributes(found.subarray(routeMessageLength))
    const leaves = parts.get(route.interface)?.readUInt32LE(0) ?? 0
    return {
      kind: 'way',
      interface: interfaceName(leaves) ?? '',
      next: nextHop(parts, to).text,
    }
  } catch (error) {
    if (error instanceof KernelError) return { kind: 'refused', errno: error.errno }
    throw error
  }
}

const refusals: Readonly<Record<number, Refusal>> = { 13: 'prohibit', 22: 'blackhole', 113: 'unreachable' }

export type Refusal = 'none' | 'blackhole' | 'unreachable' | 'prohibit'

/** How the kernel says that there is no way (fib_props in net/ipv4/fib_semantics.c); null: there is one. */
export function findRefusal(netlink: Netlink, address: Address): Refusal | null {
  try {
    netlink.request(routeRequest(address, 0), 'asking for a route')
    return null
  } catch (error) {
    if (error instanceof KernelError) return refusals[error.errno] ?? 'none'
    throw error
  }
}

/** The interface by which each of these is reached, of those that are. */
export function readWays(netlink: Netlink, addresses: readonly string[]): Record<string, string> {
  const found = addresses.flatMap((text) => {
    const address = parseAddress('address', text)
    const way = askRoute(netlink, address, 0)
    const index = way && attributes(way.subarray(routeMessageLength)).get(route.interface)?.readUInt32LE(0)
    return index ? [[text, interfaceName(index) ?? ''] as const] : []
  })
  return Object.fromEntries(found)
}

/** An IPv4 route may have an IPv6 router: struct rtvia is the family in two bytes, then the address. */
function nextHop(parts: Map<number, Buffer>, address: Address): Address {
  const [gateway, via] = [parts.get(route.gateway), parts.get(route.via)]
  return via ? readAddress(via.subarray(2)) : gateway ? readAddress(gateway) : address
}

function readAddress(bytes: Buffer): Address {
  return { family: bytes.length === 4 ? 4 : 6, text: addressText(bytes) }
}

/** The kernel says "no route" as an error; any other way to say no (a prohibited network) comes as one too. */
function askRoute(netlink: Netlink, address: Address, flags: number): Buffer | undefined {
  try {
    return netlink.request(routeRequest(address, flags), 'asking for a route')[0]?.body
  } catch (error) {
    if (error instanceof KernelError) return undefined
    throw error
  }
}

function routeRequest({ family, text }: Address, flags: number): Buffer {
  const request = message(RTM_GETROUTE, 0, routeMessageLength, route.destination, { family, text })
  request.writeUInt8(family === 4 ? 32 : 128, 17)
  request.writeUInt32LE(flags, 24)
  return request
}

export type Neighbour = 'there' | 'missing' | 'unasked'

/** What is known of a neighbour now. */
export function readNeighbour(netlink: Netlink, way: Way): Neighbour {
  try {
    const state = askNeighbour(netlink, way)
    if (state & failed) return 'missing'
    return state & resolved ? 'there' : 'unasked'
  } catch (error) {
    if (error instanceof KernelError) return 'unasked'
    throw error
  }
}

/** Whether somebody has set the entry for good (NUD_PERMANENT): the kernel asks nobody then. */
export function isNeighbourFixed(netlink: Netlink, way: Way): boolean {
  try {
    return (askNeighbour(netlink, way) & 0x80) !== 0
  } catch (error) {
    if (error instanceof KernelError) return false
    throw error
  }
}

/** Its state, as NUD_* of neighbour.h. */
function askNeighbour(netlink: Netlink, { index, next }: Pick<Way, 'index' | 'next'>): number {
  const request = message(RTM_GETNEIGH, 0, neighbourMessageLength, neighbourAddress, next)
  request.writeInt32LE(index, 20)
  return netlink.request(request, 'asking for a neighbour')[0]?.body.readUInt16LE(8) ?? 0
}

/** Has the kernel resolve a neighbour as if a packet were for it (NTF_USE); the answer is in its state soon after. */
export function useNeighbour(netlink: Netlink, { index, next }: Way): void {
  const request = message(
    RTM_NEWNEIGH,
    NLM_F_ACK | NLM_F_CREATE,
    neighbourMessageLength,
    neighbourAddress,
    next,
  )
  request.writeInt32LE(index, 20)
  request.writeUInt8(NTF_USE, 26)
  try {
    netlink.request(request, 'resolving a neighbour')
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
  }
}

/** Forgets what is known of a neighbour, so that it is asked for anew. What somebody has set for good stays (NUD_PERMANENT). */
export function forgetNeighbour(netlink: Netlink, { index, next }: Way): void {
  const request = message(RTM_DELNEIGH, 0, neighbourMessageLength, neighbourAddress, next)
  request.writeInt32LE(index, 20)
  try {
    if ((askNeighbour(netlink, { index, next }) & lasting) === 0)
      netlink.request(request, 'forgetting a neighbour')
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
  }
}

/** A message with one address as its only attribute; the family stands first in every fixed part. */
function message(type: number, flags: number, fixed: number, attribute: number, address: Address): Buffer {
  const body = Buffer.alloc(fixed)
  body.writeUInt8(families[address.family], 0)
  const parts = [body, addressAttribute(attribute, address)]
  return routeMessage(type, NLM_F_REQUEST | NLM_F_ACK | flags, parts)
}

function addressAttribute(type: number, { family, text }: Address): Buffer {
  return routeAttribute(type, encodeFields([family === 4 ? 'ipv4_addr' : 'ipv6_addr'], text))
}

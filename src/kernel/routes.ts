/**
 * The interfaces that default routes leave by, read by rtnetlink: from every table, with every next hop of a multipath
 * route, of which /proc/net/route shows the first only. Source: rtnetlink(7), include/uapi/linux/rtnetlink.h.
 */
import type { Netlink } from './netlink.ts'
import { attributes } from './nfnetlink.ts'
import { dumpRequest, interfaceName } from './rtnetlink.ts'

const RTM_GETROUTE = 26
const RTN_UNICAST = 1
const routeMessageLength = 12
const route = { destination: 1, interface: 4, multipath: 9 } as const
const nextHopLength = 8

/** Names of interfaces, each once. */
export function readDefaultInterfaces(netlink: Netlink): string[] {
  const answers = netlink.request(dumpRequest(RTM_GETROUTE, routeMessageLength), 'reading routes')
  const indexes = new Set(answers.flatMap(({ body }) => (isDefault(body) ? interfacesOf(body) : [])))
  return [...indexes].flatMap((index) => nameOf(index) ?? []).sort()
}

/** The whole world, a half of it (which VPN clients use to override the default), or all of IPv6's global unicast. */
function isDefault(body: Buffer): boolean {
  const [family, length, type] = [body.readUInt8(0), body.readUInt8(1), body.readUInt8(7)]
  if (type !== RTN_UNICAST) return false
  if (length <= 1) return true
  const destination = attributes(body.subarray(routeMessageLength)).get(route.destination)
  return family === 10 && length === 3 && destination?.readUInt8(0) === 0x20
}

/** The numbers of all interfaces that the route in this answer leaves by. */
export function interfacesOf(body: Buffer): number[] {
  const found = attributes(body.subarray(routeMessageLength))
  const single = found.get(route.interface)
  return [
    ...(single ? [single.readUInt32LE(0)] : []),
    ...nextHops(found.get(route.multipath) ?? Buffer.alloc(0)),
  ]
}

/** A list of struct rtnexthop: length, flags, hops, interface, then attributes up to the length. */
function nextHops(bytes: Buffer): number[] {
  const indexes: number[] = []
  for (let at = 0; at + nextHopLength <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < nextHopLength) break
    indexes.push(bytes.readUInt32LE(at + 4))
    at += (length + 3) & ~3
  }
  return indexes
}

/** The loopback takes part in no forwarding; an interface may have gone since. */
function nameOf(index: number): string | undefined {
  const name = interfaceName(index)
  return name === 'lo' ? undefined : name
}

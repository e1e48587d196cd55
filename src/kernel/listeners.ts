/**
 * What listens on this machine, by sock_diag: /proc/net/tcp would walk the table of all connections for it.
 * Source: sock_diag(7), include/uapi/linux/inet_diag.h.
 */
import ipaddr from 'ipaddr.js'
import type { Listener } from '../model/listeners.ts'
import type { Netlink } from './netlink.ts'
import { attributes } from './nfnetlink.ts'
import { readEphemeralRange } from './ports.ts'

const SOCK_DIAG_BY_FAMILY = 20
const NLM_F_REQUEST_DUMP = 0x301
const requestLength = 16 + 56
export const families = { 4: 2, 6: 10 } as const
/** A UDP socket that is not connected has the state that TCP calls closed. */
const kinds = [
  { protocol: 'tcp', number: 6, state: 10 },
  { protocol: 'udp', number: 17, state: 7 },
] as const

/** Where struct inet_diag_msg has what is wanted. */
const at = { port: 4, address: 8, interface: 40, uid: 64, inode: 68, attributes: 72 } as const
const INET_DIAG_SKV6ONLY = 11
const INET_DIAG_CGROUP_ID = 21

/** A listening socket with what tells who made it. */
export interface ListeningSocket extends Listener {
  readonly inode: number
  /** The cgroup that it was made in; undefined before Linux 5.8. */
  readonly cgroup: bigint | undefined
  /** The number of the interface that it is bound to (SO_BINDTODEVICE); 0: any. */
  readonly interface: number
  /** On :: without IPv4 (IPV6_V6ONLY). */
  readonly only6: boolean
}

export function readListeners(netlink: Netlink): Listener[] {
  return readSockets(netlink).map(({ protocol, address, port, uid }) => ({ protocol, address, port, uid }))
}

/** Without UDP sockets that are a question to another machine rather than a service: unconnected, on a port for those. */
export function readSockets(netlink: Netlink): ListeningSocket[] {
  const { first, last } = readEphemeralRange()
  return readAllSockets(netlink).filter(
    ({ protocol, port }) => protocol === 'tcp' || port < first || port > last,
  )
}

export function readAllSockets(netlink: Netlink): ListeningSocket[] {
  return kinds.flatMap(({ protocol, number, state }) =>
    ([4, 6] as const).flatMap((family) => {
      const answers = netlink.request(diagRequest(families[family], number, state), 'reading listeners')
      return answers.map(({ body }) => {
        const more = attributes(body.subarray(at.attributes))
        return {
          protocol,
          address: diagAddress(body.subarray(at.address, at.address + (family === 4 ? 4 : 16))),
          port: body.readUInt16BE(at.port),
          uid: body.readUInt32LE(at.uid),
          inode: body.readUInt32LE(at.inode),
          interface: body.readUInt32LE(at.interface),
          only6: more.get(INET_DIAG_SKV6ONLY)?.readUInt8(0) === 1,
          cgroup: more.get(INET_DIAG_CGROUP_ID)?.readBigUInt64LE(),
        }
      })
    }),
  )
}

/** Asks for all sockets in a state, or in some, of one local port or of any (0). */
export function diagRequest(
  family: number,
  protocol: number,
  state: number | readonly number[],
  port = 0,
): Buffer {
  const request = Buffer.alloc(requestLength)
  request.writeUInt32LE(requestLength, 0)
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4)
  request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6)
  request.writeUInt8(family, 16)
  request.writeUInt8(protocol, 17)
  request.writeUInt32LE(
    [state].flat().reduce((states, one) => states | (1 << one), 0),
    20,
  )
  request.writeUInt16BE(port, 24)
  return request
}

/** An IPv4 connection of a socket that takes both families is told as one of IPv4. */
export function diagAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const address = new ipaddr.IPv6([...bytes])
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String()
}

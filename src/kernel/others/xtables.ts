/**
 * Matches and targets of iptables-nft that lie in a rule as the bytes of their old structures. Source:
 * include/uapi/linux/netfilter/xt_tcpudp.h, xt_multiport.h, nf_nat.h, in the machine's own byte order but for addresses
 * and ports of NAT.
 */
import { complement, intersect, type Match } from '../../model/match.ts'
import type { PortRange } from '../../model/ports.ts'
import { decodeFields } from '../fields.ts'

const XT_MULTIPORT_DESTINATION = 1
const anySource = (info: Buffer) => info.readUInt16LE(0) === 0 && info.readUInt16LE(2) === 65535

/** What is left of `match`; of a match that is not known here, that there is one. */
export function narrowByMatch(match: Match, name: string, info: Buffer): Match {
  switch (name) {
    case 'tcp':
      // Source and destination ports, then option, mask and value of the flags, and what of it is inverted.
      return narrowPorts(match, info, info.readUInt8(11), info.readUInt8(8) !== 0 || info.readUInt8(9) !== 0)
    case 'udp':
      return narrowPorts(match, info, info.readUInt8(8), false)
    case 'multiport':
      return narrowMultiport(match, info)
    case 'addrtype':
      return narrowAddressType(match, info)
    case 'comment':
      return match
    default:
      return { ...match, exact: false }
  }
}

function narrowPorts(match: Match, info: Buffer, inverted: number, more: boolean): Match {
  const named = [{ first: info.readUInt16LE(4), last: info.readUInt16LE(6) }]
  const ports = inverted & 2 ? complement(named) : named
  const exact = match.exact && anySource(info) && !more && (inverted & ~2) === 0
  return { ...match, exact, ports: intersect(match.ports, ports) }
}

/** flags, count, fifteen ports, fifteen marks of "this one and the next are a range", inverted. */
function narrowMultiport(match: Match, info: Buffer): Match {
  const [flags, count] = [info.readUInt8(0), info.readUInt8(1)]
  if (flags !== XT_MULTIPORT_DESTINATION) return { ...match, exact: false }
  const ranges: PortRange[] = []
  for (let at = 0; at < count; at += 1) {
    const first = info.readUInt16LE(2 + at * 2)
    const isRange = info.readUInt8(32 + at) !== 0
    if (isRange) at += 1
    ranges.push({ first, last: isRange ? info.readUInt16LE(2 + at * 2) : first })
  }
  const sorted = ranges.sort((a, b) => a.first - b.first)
  return { ...match, ports: intersect(match.ports, info.readUInt8(47) ? complement(sorted) : sorted) }
}

/** Revision 1: masks of the types of source and destination, then flags. `--dst-type LOCAL` is the usual one. */
function narrowAddressType(match: Match, info: Buffer): Match {
  const [source, destination, flags] = [info.readUInt16LE(0), info.readUInt16LE(2), info.readUInt32LE(4)]
  const local = 1 << 2
  const inverted = flags & 2
  if (source !== 0 || flags & ~2) return { ...match, exact: false }
  const passes = ((destination & local) !== 0) !== (inverted !== 0)
  return passes ? match : { ...match, families: [] }
}

const NF_NAT_RANGE_MAP_IPS = 1
const NF_NAT_RANGE_PROTO_SPECIFIED = 2

/** `172.17.0.2:80`, `port 8080 of this machine`; undefined when the target translates no destination. */
export function destinationOf(
  name: string,
  revision: number,
  family: number,
  info: Buffer,
): string | undefined {
  if (name !== 'DNAT' && name !== 'REDIRECT') return undefined
  // struct nf_nat_ipv4_multi_range_compat: the number of ranges, then flags, addresses and ports of the first.
  const old = family === 2 && revision === 0
  const at = old ? { flags: 4, address: 8, port: 16 } : { flags: 0, address: 4, port: 36 }
  const flags = info.readUInt32LE(at.flags)
  const port = flags & NF_NAT_RANGE_PROTO_SPECIFIED ? info.readUInt16BE(at.port) : undefined
  if (name === 'REDIRECT' || !(flags & NF_NAT_RANGE_MAP_IPS)) return redirection(port)
  const address = decodeFields(
    [family === 2 ? 'ipv4_addr' : 'ipv6_addr'],
    info.subarray(at.address, at.address + (family === 2 ? 4 : 16)),
  )
  return translation(address, port)
}

export function redirection(port: number | undefined): string {
  return port === undefined ? 'this machine itself' : `port ${port} of this machine itself`
}

export function translation(address: string, port: number | undefined): string {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * Matches and targets of iptables-nft as steps. Source: include/uapi/linux/netfilter/xt_*.h; numbers are in the machine's own
 * byte order but for addresses and the ports of NAT.
 */
import type { FieldName, Row, Step, Verdict } from '../../model/exposure/rules.ts'
import { decodeFields } from '../fields.ts'

const unread: Step = { kind: 'doubt', why: 'unread' }
const limited: Step = { kind: 'doubt', why: 'limit' }
const hex = (value: number) => value.toString(16)

function test(field: FieldName, bits: number, rows: readonly Row[], not = false, mask?: number): Step {
  return { kind: 'test', asked: [{ field, bits, mask: mask === undefined ? null : hex(mask) }], rows, not }
}

const ports = (field: 'port' | 'sourcePort', ranges: readonly (readonly [number, number])[], not: boolean) =>
  test(
    field,
    16,
    ranges.map(([first, last]) => [[hex(first), hex(last)]]),
    not,
  )
/** Some bit of the mask is set. */
const someOf = (field: FieldName, mask: number, not: boolean) =>
  test(field, 32, [[['1', 'ffffffff']]], not, mask)
const isEqual = (field: FieldName, bits: number, mask: number, value: number, not: boolean) =>
  test(field, bits, [[[hex(value), hex(value)]]], not, mask)

export function stepsOfMatch(name: string, revision: number, info: Buffer, family: number): readonly Step[] {
  switch (name) {
    case 'comment':
      return []
    case 'tcp':
      return [...portSteps(info, info.readUInt8(11)), ...flagSteps(info)]
    case 'udp':
      return portSteps(info, info.readUInt8(8))
    case 'icmp':
    case 'icmp6':
      return icmpSteps(info)
    case 'rpfilter':
      return returnSteps(info.readUInt8(0))
    case 'multiport':
      return multiportSteps(info)
    case 'conntrack':
      return revision >= 2 ? trackingSteps(info) : [unread]
    case 'state':
      return stateSteps(info.readUInt32LE(0), false)
    case 'mark':
      return [isEqual('mark', 32, info.readUInt32LE(4), info.readUInt32LE(0), info.readUInt8(8) !== 0)]
    case 'connmark':
      return [
        isEqual('connectionMark', 32, info.readUInt32LE(4), info.readUInt32LE(0), info.readUInt8(8) !== 0),
      ]
    case 'addrtype':
      return addressKindSteps(info)
    case 'iprange':
      return rangeSteps(info, family)
    case 'pkttype':
      return [isEqual('packetKind', 8, 0xff, info.readUInt32LE(0), info.readUInt32LE(4) !== 0)]
    // What whoever sends a packet may choose.
    case 'rt':
    case 'frag':
    case 'ipv6header':
    case 'hbh':
    case 'dst':
    case 'hl':
    case 'ttl':
    case 'length':
    case 'dscp':
    case 'tos':
    case 'ecn':
    case 'tcpmss':
    case 'string':
    case 'u32':
    case 'limit':
    case 'hashlimit':
    case 'connlimit':
    case 'statistic':
    case 'quota':
      return [limited]
    case 'recent':
      return recentSteps(info)
    default:
      return [unread]
  }
}

/** Source and destination ports as ranges; bits 1 and 2 say which of them are inverted. */
function portSteps(info: Buffer, inverted: number): Step[] {
  const range = (at: number) => [info.readUInt16LE(at), info.readUInt16LE(at + 2)] as const
  const steps: Step[] = []
  const [source, destination] = [range(0), range(4)]
  if (source[0] !== 0 || source[1] !== 65535) steps.push(ports('sourcePort', [source], (inverted & 1) !== 0))
  if (destination[0] !== 0 || destination[1] !== 65535)
    steps.push(ports('port', [destination], (inverted & 2) !== 0))
  return steps
}

/** An option that is asked for, mask and value of the flags, and what of it is inverted. */
function flagSteps(info: Buffer): Step[] {
  const [option, mask, value, inverted] = [8, 9, 10, 11].map((at) => info.readUInt8(at)) as [
    number,
    number,
    number,
    number,
  ]
  return [
    ...(option === 0 ? [] : [unread]),
    ...(mask === 0 ? [] : [isEqual('tcpFlags', 8, mask, value, (inverted & 4) !== 0)]),
  ]
}

/** Type, first and last code, whether it is inverted; type 255 is any, and so are codes 0 to 255. */
function icmpSteps(info: Buffer): Step[] {
  const [type, first, last, inverted] = [0, 1, 2, 3].map((at) => info.readUInt8(at)) as [
    number,
    number,
    number,
    number,
  ]
  const anyCode = first === 0 && last === 255
  if (type === 255) return inverted ? [unread] : []
  const ofType = test('icmpType', 8, [[[hex(type), hex(type)]]], anyCode && inverted !== 0)
  if (anyCode) return [ofType]
  return inverted ? [unread] : [ofType, test('icmpCode', 8, [[[hex(first), hex(last)]]])]
}

/** Loose, by the mark too, of addresses of this machine too, inverted. */
function returnSteps(flags: number): Step[] {
  const [LOOSE, LOCAL, INVERTED] = [1, 4, 8]
  if (flags & LOCAL) return [unread]
  return [test(flags & LOOSE ? 'routed' : 'returns', 8, [[['1', '1']]], (flags & INVERTED) !== 0)]
}

/** flags, count, fifteen ports, fifteen marks of "this one and the next are a range", inverted. */
function multiportSteps(info: Buffer): Step[] {
  const [SOURCE, DESTINATION] = [0, 1]
  const [flags, count] = [info.readUInt8(0), info.readUInt8(1)]
  if (flags !== SOURCE && flags !== DESTINATION) return [unread]
  const ranges: (readonly [number, number])[] = []
  for (let at = 0; at < count; at += 1) {
    const first = info.readUInt16LE(2 + at * 2)
    const isRange = info.readUInt8(32 + at) !== 0
    if (isRange) at += 1
    ranges.push([first, isRange ? info.readUInt16LE(2 + at * 2) : first])
  }
  return [ports(flags === SOURCE ? 'sourcePort' : 'port', ranges, info.readUInt8(47) !== 0)]
}

const [STATE, STATUS] = [1, 1 << 6]

/** struct xt_conntrack_mtinfo2 and 3: four addresses with masks come first. */
function trackingSteps(info: Buffer): Step[] {
  const [asks, inverted] = [info.readUInt16LE(146), info.readUInt16LE(148)]
  const [states, statuses] = [info.readUInt16LE(150), info.readUInt16LE(152)]
  return [
    ...(asks & STATE ? stateSteps(states, (inverted & STATE) !== 0) : []),
    ...(asks & STATUS ? [someOf('status', statuses, (inverted & STATUS) !== 0)] : []),
    ...(asks & ~(STATE | STATUS) ? [unread] : []),
  ]
}

/** Invalid, established, related and new are the bits that nft has for them; DNAT is a status. */
function stateSteps(mask: number, not: boolean): Step[] {
  const [plain, DNAT, DNAT_STATUS] = [0xf, 0x80, 0x20]
  if (mask === DNAT) return [someOf('status', DNAT_STATUS, not)]
  // A first packet that is tracked is neither translated at its source nor untracked.
  return mask & DNAT ? [unread] : [someOf('state', mask & plain, not)]
}

/** Revision 1: masks of the types of source and destination, then what is inverted or bound to an interface. */
function addressKindSteps(info: Buffer): Step[] {
  const [source, destination, flags] = [info.readUInt16LE(0), info.readUInt16LE(2), info.readUInt32LE(4)]
  const kinds = Array.from({ length: 12 }, (_, kind) => kind).filter((kind) => destination & (1 << kind))
  return [
    ...(source === 0 && (flags & ~3) === 0 ? [] : [unread]),
    ...(destination === 0
      ? []
      : [
          test(
            'addressKind',
            32,
            kinds.map((kind) => [[hex(kind), hex(kind)]]),
            (flags & 2) !== 0,
          ),
        ]),
  ]
}

/** First and last source, first and last destination, sixteen bytes each, then which of them count. */
function rangeSteps(info: Buffer, family: number): Step[] {
  const bytes = family === 2 ? 4 : 16
  const edge = (at: number) => info.subarray(at, at + bytes).toString('hex')
  const flags = info.readUInt8(64)
  const step = (field: 'source' | 'address', at: number, not: number) =>
    test(field, bytes * 8, [[[edge(at), edge(at + 16)]]], (flags & not) !== 0)
  return [...(flags & 1 ? [step('source', 0, 16)] : []), ...(flags & 2 ? [step('address', 32, 32)] : [])]
}

/** `--set` alone notes the address and always matches. */
function recentSteps(info: Buffer): Step[] {
  const [SET, how, inverted] = [2, info.readUInt8(8), info.readUInt8(9)]
  return how & SET && inverted === 0 ? [] : [unread]
}

/** Targets after which the next rule comes. */
const passing: ReadonlySet<string> = new Set([
  ...[
    'LOG',
    'NFLOG',
    'ULOG',
    'AUDIT',
    'TCPMSS',
    'TCPOPTSTRIP',
    'CHECKSUM',
    'TTL',
    'HL',
    'DSCP',
    'TOS',
    'TRACE',
  ],
  ...['CONNSECMARK', 'SECMARK', 'SET', 'CLASSIFY', 'LED', 'IDLETIMER', 'TEE', 'RATEEST', 'ECN', 'HMARK'],
])

export function stepsOfTarget(name: string, revision: number, info: Buffer, family: number): readonly Step[] {
  const verdict = (of: Verdict): Step[] => [{ kind: 'verdict', verdict: of }]
  if (passing.has(name)) return []
  switch (name) {
    case 'REJECT':
      return verdict({ kind: 'reject' })
    case 'MARK':
      return [{ kind: 'alters', field: 'mark' }]
    case 'CONNMARK':
      return [
        { kind: 'alters', field: 'connectionMark' },
        { kind: 'alters', field: 'mark' },
      ]
    case 'NOTRACK':
      return [{ kind: 'alters', field: 'state' }]
    case 'CT':
      return info.readUInt16LE(0) & 1 ? [{ kind: 'alters', field: 'state' }] : []
    case 'MASQUERADE':
    case 'SNAT':
      return verdict({ kind: 'accept' })
    case 'DNAT':
    case 'REDIRECT':
      return verdict(translationOf(name, revision, info, family))
    default:
      return verdict({ kind: 'queue' })
  }
}

const [MAP_ADDRESSES, PORTS_GIVEN] = [1, 2]

/** struct nf_nat_ipv4_multi_range_compat has the number of ranges first, then flags, addresses and ports. */
function translationOf(name: string, revision: number, info: Buffer, family: number): Verdict {
  const old = family === 2 && revision === 0
  const at = old ? { flags: 4, address: 8, port: 16 } : { flags: 0, address: 4, port: 36 }
  const flags = info.readUInt32LE(at.flags)
  const bytes = info.subarray(at.address, at.address + (family === 2 ? 4 : 16))
  const mapped = name === 'DNAT' && (flags & MAP_ADDRESSES) !== 0
  return {
    kind: 'translate',
    address: mapped ? decodeFields([family === 2 ? 'ipv4_addr' : 'ipv6_addr'], bytes) : null,
    ports: flags & PORTS_GIVEN ? [info.readUInt16BE(at.port), info.readUInt16BE(at.port + 2)] : null,
    known: true,
  }
}

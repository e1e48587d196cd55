/**
 * The interfaces of this machine: which stand on which, and what programs of eBPF or traffic control see their frames before
 * any rule does. Source: rtnetlink(7), include/uapi/linux/{if_link,pkt_sched}.h; programs of tcx (Linux 6.6) are asked for by
 * bpf(2), BPF_PROG_QUERY, which needs CAP_NET_ADMIN only.
 */
import { arch } from 'node:os'
import koffi from 'koffi'
import type { Link, Program } from '../model/exposure/arrivals.ts'
import { KernelError, type Netlink } from './netlink.ts'
import { attributes, textOf } from './nfnetlink.ts'
import { dumpRequest } from './rtnetlink.ts'

const syscall = koffi
  .load('libc.so.6')
  .func('long syscall(long number, int command, _Inout_ uint8_t *attributes, uint32_t size)')

const [RTM_GETLINK, RTM_GETQDISC, RTM_GETTFILTER] = [18, 38, 46]
const [linkLength, tcLength] = [16, 20]
const link = { name: 3, below: 5, master: 10, info: 18, belowElsewhere: 37, xdp: 43 } as const
const xdp = { attached: 2 } as const
const KIND = 1

export interface LinkInfo extends Link {
  readonly index: number
  readonly xdp: boolean
}

export function readLinks(netlink: Netlink): LinkInfo[] {
  const links = netlink
    .request(dumpRequest(RTM_GETLINK, linkLength), 'reading interfaces')
    .map(({ body }) => ({
      index: body.readInt32LE(4),
      type: body.readUInt16LE(2),
      parts: attributes(body.subarray(linkLength)),
    }))
  const names = new Map(links.map(({ index, parts }) => [index, textOf(parts.get(link.name))]))
  const named = (bytes: Buffer | undefined) => (bytes && names.get(bytes.readInt32LE(0))) ?? null
  return links.map(({ index, type, parts }) => {
    const kind = textOf(attributes(parts.get(link.info) ?? Buffer.alloc(0)).get(KIND))
    // The other end of a cable (veth) is told in the same words as what an interface stands on.
    const isCable = kind === 'veth' || parts.has(link.belowElsewhere)
    const attached = attributes(parts.get(link.xdp) ?? Buffer.alloc(0)).get(xdp.attached)
    return {
      index,
      name: names.get(index) ?? '',
      type,
      kind,
      below: isCable ? null : named(parts.get(link.below)),
      master: named(parts.get(link.master)),
      xdp: (attached?.readUInt8(0) ?? 0) !== 0,
    }
  })
}

/** What sees the packets of these interfaces outside of all rules. */
export function readPrograms(netlink: Netlink, links: readonly LinkInfo[]): Program[] {
  const classified = new Set(
    netlink
      .request(dumpRequest(RTM_GETQDISC, tcLength), 'reading queues')
      .filter(({ body }) =>
        ['clsact', 'ingress'].includes(textOf(attributes(body.subarray(tcLength)).get(KIND))),
      )
      .map(({ body }) => body.readInt32LE(4)),
  )
  return links.flatMap((one) => [
    ...(one.xdp ? [{ device: one.name, words: 'an XDP program' }] : []),
    ...(['ingress', 'egress'] as const).flatMap((way) => {
      const kinds = classified.has(one.index) ? filterKinds(netlink, one.index, way) : []
      const words = [
        ...(kinds.length > 0 ? [`tc filters (${kinds.join(', ')}) at ${way}`] : []),
        ...(hasTcx(one.index, way) ? [`an eBPF program (tcx) at ${way}`] : []),
      ]
      return words.map((text) => ({ device: one.name, words: text }))
    }),
  ])
}

const parents = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const

function filterKinds(netlink: Netlink, index: number, way: keyof typeof parents): readonly string[] {
  const asking = dumpRequest(RTM_GETTFILTER, tcLength)
  asking.writeInt32LE(index, 16 + 4)
  asking.writeUInt32LE(parents[way], 16 + 12)
  try {
    const filters = netlink.request(asking, 'reading filters of traffic control')
    return [...new Set(filters.map(({ body }) => textOf(attributes(body.subarray(tcLength)).get(KIND))))]
  } catch (error) {
    if (error instanceof KernelError) return []
    throw error
  }
}

const numbers: Readonly<Record<string, number>> = {
  x64: 321,
  arm64: 280,
  riscv64: 280,
  ppc64: 361,
  s390x: 351,
}
const BPF_PROG_QUERY = 16
const attachTypes = { ingress: 46, egress: 47 } as const

/** A kernel that has no such thing, or does not tell us, refuses. */
function hasTcx(index: number, way: keyof typeof attachTypes): boolean {
  const number = numbers[arch()]
  if (number === undefined) return false
  const query = Buffer.alloc(64)
  query.writeInt32LE(index, 0)
  query.writeUInt32LE(attachTypes[way], 4)
  return syscall(number, BPF_PROG_QUERY, query, query.length) === 0 && query.readUInt32LE(24) > 0
}

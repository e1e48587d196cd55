/** What nftables tells of packets that are traced. Source: net/netfilter/nf_tables_trace.c, enum nft_trace_attributes. */
import { promisify } from 'node:util'
import koffi from 'koffi'
import type { Header, TraceStep } from '../../model/trace/step.ts'
import { headerLength, KernelError, NETLINK_NETFILTER, openSocket } from '../netlink.ts'
import { answerAttributes, attributes, textOf } from '../nfnetlink.ts'
import { interfaceName } from '../rtnetlink.ts'
import { tableFamilies } from '../ruleset.ts'
import { readHeader } from './packet.ts'

const libc = koffi.load('libc.so.6')
const recv = libc.func('long recv(int fd, _Out_ uint8_t *bytes, size_t length, int flags)')
const close = libc.func('int close(int fd)')
const join = libc.func('int setsockopt(int fd, int level, int name, const int *value, uint32_t length)')
const patience = libc.func('setsockopt', 'int', ['int', 'int', 'int', 'const int64_t *', 'uint32'])

const [SOL_SOCKET, SO_RCVTIMEO] = [1, 20]
const [SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE] = [270, 1, 9]
const MSG_DONTWAIT = 0x40
const TRACE = (10 << 8) | 17
const bufferBytes = 4 * 1024 * 1024
/** Somebody else may have the kernel trace all packets of a busy machine, faster than they are read. */
const mostAtOnce = 256
const part = {
  table: 1,
  chain: 2,
  handle: 3,
  kind: 4,
  verdict: 5,
  id: 6,
  network: 8,
  transport: 9,
  in: 10,
  out: 12,
  policy: 16,
} as const
const POLICY = 1
const verdicts = {
  0: 'drop',
  1: 'accept',
  2: 'stolen',
  3: 'queue',
  [-1]: 'continue',
  [-3]: 'jump',
  [-4]: 'goto',
  [-5]: 'return',
} as const satisfies Record<number, TraceStep['verdict']>

export interface Hearing {
  /** What has been told, as soon as there is something, or nothing after so many milliseconds. */
  readonly next: (milliseconds: number) => Promise<readonly TraceStep[]>
  readonly close: () => void
}

/** From the moment it is open nothing is missed. `since`: when the probe was sent, by performance.now(). */
export function openHearing(since: () => number): Hearing {
  const fd = openSocket(bufferBytes, NETLINK_NETFILTER)
  if (join(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, [NFNLGRP_NFTRACE], 4) < 0) {
    const error = new KernelError(koffi.errno(), 'listening to traces')
    close(fd)
    throw error
  }
  const incoming = Buffer.alloc(1 << 16)
  const wait = promisify((done: (error: Error | null, length: number) => void) =>
    recv.async(fd, incoming, incoming.length, 0, done),
  )
  return {
    async next(milliseconds) {
      const micros = Math.max(1, Math.round(milliseconds * 1000))
      patience(fd, SOL_SOCKET, SO_RCVTIMEO, [Math.floor(micros / 1e6), micros % 1e6], 16)
      const steps: TraceStep[] = []
      let length = await wait()
      const at = performance.now() - since()
      for (let count = 1; length > 0; count += 1) {
        steps.push(...readSteps(incoming.subarray(0, length), at))
        length = count < mostAtOnce ? recv(fd, incoming, incoming.length, MSG_DONTWAIT) : 0
      }
      return steps
    },
    close: () => void close(fd),
  }
}

function readSteps(bytes: Buffer, at: number): TraceStep[] {
  const steps: TraceStep[] = []
  for (let from = 0; from + headerLength <= bytes.length; ) {
    const size = bytes.readUInt32LE(from)
    if (size < headerLength) break
    if (bytes.readUInt16LE(from + 4) === TRACE)
      steps.push(stepOf(Buffer.from(bytes.subarray(from + headerLength, from + size)), at))
    from += (size + 3) & ~3
  }
  return steps
}

function stepOf(body: Buffer, at: number): TraceStep {
  const parts = answerAttributes(body)
  const policy = parts.get(part.kind)?.readUInt32BE() === POLICY
  const code = policy
    ? (parts.get(part.policy)?.readInt32BE() ?? 1)
    : (attributes(parts.get(part.verdict) ?? Buffer.alloc(0))
        .get(1)
        ?.readInt32BE() ?? -1)
  return {
    packet: parts.get(part.id)?.toString('hex') ?? '',
    table: `${tableFamilies[body.readUInt8(0)] ?? ''} ${textOf(parts.get(part.table))}`,
    chain: textOf(parts.get(part.chain)),
    handle: policy ? 0 : Number(parts.get(part.handle)?.readBigUInt64BE() ?? 0n),
    verdict: verdicts[(code >= 0 ? code & 0xff : code) as keyof typeof verdicts] ?? 'continue',
    in: nameOf(parts.get(part.in)),
    out: nameOf(parts.get(part.out)),
    header: headerOf(parts),
    at,
  }
}

function headerOf(parts: ReadonlyMap<number, Buffer>): Header | null {
  const [network, transport] = [parts.get(part.network), parts.get(part.transport)]
  return network ? readHeader(network, transport ?? Buffer.alloc(0)) : null
}

function nameOf(index: Buffer | undefined): string {
  return index ? (interfaceName(index.readUInt32BE()) ?? '') : ''
}

/**
 * The kernel's netfilter socket: one request, its answers, no child process. Synchronous on purpose, as the kernel
 * carries a batch out inside sendmsg(2); the worker around it keeps everybody else from waiting.
 * Source: netlink(7), include/uapi/linux/netlink.h, net/netfilter/nfnetlink.c.
 */
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t length)')
const setsockopt = libc.func('int setsockopt(int fd, int level, int name, const int *value, uint32_t length)')
const send = libc.func('long send(int fd, const uint8_t *bytes, size_t length, int flags)')
const getsockname = libc.func('int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *length)')
const recv = libc.func('long recv(int fd, _Out_ uint8_t *bytes, size_t length, int flags)')

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 3 | 0o2000000
export const NETLINK_NETFILTER = 12
export const NETLINK_ROUTE = 0
export const NETLINK_SOCK_DIAG = 4
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const NLMSG_ERROR = 2
const NLMSG_DONE = 3
const NLM_F_DUMP_INTR = 0x10
const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40
export const headerLength = 16

/** The kernel said no; `errno` is positive, as in errno(3). */
export class KernelError extends Error {
  readonly errno: number

  constructor(errno: number, doing: string) {
    super(`${doing}: ${getSystemErrorMessage(-errno)} (${getSystemErrorName(-errno)})`)
    this.name = 'KernelError'
    this.errno = errno
  }
}

export interface Answer {
  readonly type: number
  /** What follows the netlink header: the nfgenmsg of four bytes, then attributes. */
  readonly body: Buffer
}

export interface Netlink {
  /** The kernel's name for this socket; it stands in every notification of what was committed through it. */
  readonly port: number
  /** Sends one message and gives all answers up to the acknowledgement or the end of the dump, which must be whole. */
  request(message: Buffer, doing: string, accept?: 'torn too'): Answer[]
  /** Sends a batch whose last message but the closing one asks to be acknowledged; throws the first error of any. */
  commit(batch: Buffer, doing: string): void
}

/** Opens a socket in the network namespace of this process. Buffers are as large as the kernel lets us have them. */
export function openNetlink(bufferBytes: number, protocol: number = NETLINK_NETFILTER): Netlink {
  const fd = openSocket(bufferBytes, protocol)
  const incoming = Buffer.alloc(1 << 18)
  let sequence = 0

  const exchange = (message: Buffer, doing: string, span: Span): Answer[] => {
    if (send(fd, message, message.length, 0) < 0) throw new KernelError(koffi.errno(), doing)
    return receive(fd, incoming, doing, span)
  }

  return {
    port: portOf(fd),
    request(message, doing, accept) {
      sequence += 1
      message.writeUInt32LE(sequence, 8)
      return exchange(message, doing, { first: sequence, last: sequence, torn: accept === 'torn too' })
    },
    commit(batch, doing) {
      const first = sequence + 1
      const last = numberMessages(batch, sequence)
      sequence = last
      exchange(batch, doing, { first, last: last - 1, torn: false })
    },
  }
}

export function openSocket(bufferBytes: number, protocol: number): number {
  const fd: number = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol)
  if (fd < 0) throw new KernelError(koffi.errno(), 'opening a netlink socket')
  const address = Buffer.alloc(12)
  address.writeUInt16LE(AF_NETLINK, 0)
  if (bind(fd, address, address.length) < 0) throw new KernelError(koffi.errno(), 'binding a netlink socket')
  grow(fd, SO_SNDBUFFORCE, SO_SNDBUF, bufferBytes)
  grow(fd, SO_RCVBUFFORCE, SO_RCVBUF, bufferBytes)
  return fd
}

function portOf(fd: number): number {
  const address = Buffer.alloc(12)
  if (getsockname(fd, address, [address.length]) < 0)
    throw new KernelError(koffi.errno(), 'naming a netlink socket')
  return address.readUInt32LE(4)
}

/** The forced variant needs CAP_NET_ADMIN over the whole machine; in a user namespace the machine's limit holds. */
function grow(fd: number, forced: number, plain: number, bytes: number): void {
  if (setsockopt(fd, SOL_SOCKET, forced, [bytes], 4) < 0) setsockopt(fd, SOL_SOCKET, plain, [bytes], 4)
}

/** Gives every message of a batch its sequence number and returns that of the last one. */
function numberMessages(batch: Buffer, from: number): number {
  let sequence = from
  for (let at = 0; at < batch.length; at += batch.readUInt32LE(at)) {
    sequence += 1
    batch.writeUInt32LE(sequence, at + 8)
  }
  return sequence
}

/** The sequence numbers of a request: answers to others are stale, and the acknowledgement of the last one ends it. */
interface Span {
  readonly first: number
  readonly last: number
  /** Answers to a dump are good enough also when the ruleset changed while they were read. */
  readonly torn: boolean
}

function receive(fd: number, into: Buffer, doing: string, span: Span): Answer[] {
  const answers: Answer[] = []
  let interrupted = false
  for (;;) {
    const length: number = recv(fd, into, into.length, MSG_TRUNC)
    if (length < 0) throw drained(fd, into, new KernelError(koffi.errno(), doing))
    for (let at = 0; at + headerLength <= length; ) {
      const size = into.readUInt32LE(at)
      const type = into.readUInt16LE(at + 4)
      const sequence = into.readUInt32LE(at + 8)
      const flags = into.readUInt16LE(at + 6)
      const next = at + ((size + 3) & ~3)
      if (sequence >= span.first && sequence <= span.last + 1) {
        interrupted ||= (flags & NLM_F_DUMP_INTR) !== 0
        if (type === NLMSG_ERROR || type === NLMSG_DONE) {
          const errno = size >= headerLength + 4 ? -into.readInt32LE(at + headerLength) : 0
          if (errno > 0) throw drained(fd, into, new KernelError(errno, doing))
          if (type === NLMSG_DONE && interrupted && !span.torn) throw new KernelError(EINTR, doing)
          if (type === NLMSG_DONE || sequence === span.last) return answers
        } else {
          answers.push({ type, body: Buffer.from(into.subarray(at + headerLength, at + size)) })
        }
      }
      at = next
    }
  }
}

/** The ruleset changed while it was read. */
export const EINTR = 4
/** After an error the kernel may have queued more answers to the same batch; they must not meet the next request. */
function drained(fd: number, into: Buffer, error: KernelError): KernelError {
  while (recv(fd, into, into.length, MSG_DONTWAIT) > 0);
  return error
}

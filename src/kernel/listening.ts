/**
 * A thread that sleeps in the kernel until one of its netlink groups has something to say. A filter of the socket drops
 * what nobody wants before it wakes anybody. Source: netlink(7), poll(2), eventfd(2), Documentation/networking/filter.rst.
 */
import { endianness } from 'node:os'
import koffi from 'koffi'
import { headerLength, KernelError, openSocket } from './netlink.ts'

const libc = koffi.load('libc.so.6')
const pollfd = koffi.struct({ fd: 'int', events: 'short', revents: 'short' })
const program = koffi.struct({ length: 'uint16', instructions: 'const uint8_t *' })
const poll = libc.func('poll', 'int', [koffi.inout(koffi.pointer(pollfd)), 'ulong', 'int'])
const recv = libc.func('long recv(int fd, _Out_ uint8_t *bytes, size_t length, int flags)')
const eventfd = libc.func('int eventfd(unsigned int count, int flags)')
const join = libc.func('int setsockopt(int fd, int level, int name, const int *value, uint32_t length)')
const attach = libc.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(program), 'uint32'])

const SOL_SOCKET = 1
const SO_ATTACH_FILTER = 26
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const EFD_CLOEXEC = 0o2000000
const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40
const POLLIN = 1
const EINTR = 4
const EAGAIN = 11
const ENOBUFS = 105
const bufferBytes = 64 * 1024 * 1024
const forEver = -1

/** One instruction of classic BPF: code, where to jump if true and if false, operand (struct sock_filter). */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]

export const bpf = {
  loadWord: 0x20,
  loadHalf: 0x28,
  loadByte: 0x30,
  ifEqual: 0x15,
  ifGreater: 0x25,
  give: 0x06,
} as const
export const wholeMessage = 0xffffffff

/** A number of the netlink header as BPF loads it: always in network order, while the header is in that of the machine. */
export function asLoaded(value: number, bytes: 2 | 4): number {
  if (endianness() === 'BE') return value
  const buffer = Buffer.alloc(bytes)
  buffer.writeUIntLE(value, 0, bytes)
  return buffer.readUIntBE(0, bytes)
}

export interface Ear {
  readonly protocol: number
  readonly groups: readonly number[]
  readonly filter: readonly Instruction[]
  /** The message's body lies in `bytes` from `start` to `end`, until the call returns; `port` is whose doing it was. */
  readonly onMessage: (type: number, port: number, bytes: Buffer, start: number, end: number) => void
  /** Messages were dropped because we were too slow. */
  readonly onLost: () => void
}

/**
 * Calls `onListening` when nothing that follows can be missed, with a descriptor: eight bytes written to it (a number
 * that is not 0) end the listening. The thread does nothing else from then on.
 */
export function listen(ears: readonly Ear[], onListening: (endedBy: number) => void): void {
  const sockets = ears.map((ear) => ({ fd: openEar(ear), ear }))
  const end: number = eventfd(0, EFD_CLOEXEC)
  if (end < 0) throw new KernelError(koffi.errno(), 'making an eventfd')
  const incoming = Buffer.alloc(1 << 18)
  const waiting = [end, ...sockets.map(({ fd }) => fd)].map((fd) => ({ fd, events: POLLIN, revents: 0 }))
  onListening(end)
  const hear = () => {
    const ready: number = poll(waiting, waiting.length, forEver)
    if (ready < 0 && koffi.errno() !== EINTR) throw new KernelError(koffi.errno(), 'waiting for netlink')
    if (waiting[0]?.revents) return
    for (const { fd, ear } of sockets) hearAll(fd, ear, incoming)
    // What has been reported goes out between two turns.
    setImmediate(hear)
  }
  hear()
}

function openEar({ protocol, groups, filter }: Ear): number {
  const fd = openSocket(bufferBytes, protocol)
  const bytes = Buffer.alloc(filter.length * 8)
  filter.forEach(([code, ifTrue, ifFalse, operand], index) => {
    const at = index * 8
    if (endianness() === 'LE') bytes.writeUInt16LE(code, at)
    else bytes.writeUInt16BE(code, at)
    bytes.writeUInt8(ifTrue, at + 2)
    bytes.writeUInt8(ifFalse, at + 3)
    if (endianness() === 'LE') bytes.writeUInt32LE(operand >>> 0, at + 4)
    else bytes.writeUInt32BE(operand >>> 0, at + 4)
  })
  const filtered = attach(
    fd,
    SOL_SOCKET,
    SO_ATTACH_FILTER,
    { length: filter.length, instructions: bytes },
    16,
  )
  if (filtered < 0) throw new KernelError(koffi.errno(), 'filtering netlink')
  for (const group of groups) {
    if (join(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, [group], 4) < 0)
      throw new KernelError(koffi.errno(), 'listening to netlink')
  }
  return fd
}

/** Reads until nothing is left. */
function hearAll(fd: number, ear: Ear, incoming: Buffer): void {
  for (;;) {
    const length: number = recv(fd, incoming, incoming.length, MSG_DONTWAIT | MSG_TRUNC)
    const errno = length < 0 ? koffi.errno() : 0
    if (errno === EAGAIN) return
    if (errno === ENOBUFS) ear.onLost()
    else if (errno !== 0 && errno !== EINTR) throw new KernelError(errno, 'listening to netlink')
    for (let at = 0; at + headerLength <= length; ) {
      const size = incoming.readUInt32LE(at)
      const [type, port] = [incoming.readUInt16LE(at + 4), incoming.readUInt32LE(at + 12)]
      ear.onMessage(type, port, incoming, at + headerLength, at + size)
      at += (size + 3) & ~3
    }
  }
}

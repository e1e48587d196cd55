/**
 * Programs of eBPF that return one number, without a compiler. As a command, `programs.ts DEVICE`: an XDP program that drops
 * all that comes by the device, for as long as the command runs.
 */
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const syscall = libc.func(
  'long syscall(long number, int command, _Inout_ uint8_t *attributes, uint32_t size)',
)
const pointerTo = libc.func('void *memcpy(uint8_t *to, uint8_t *from, size_t length)')
const indexOf = libc.func('uint32_t if_nametoindex(const char *name)')
const closeFile = libc.func('int close(int fd)')

const number = process.arch === 'x64' ? 321 : 280
const [PROG_LOAD, LINK_CREATE] = [5, 28]
const kinds = {
  xdp: { type: 6, attach: 37 },
  ingress: { type: 3, attach: 46 },
  egress: { type: 3, attach: 47 },
} as const
const XDP_DROP = 1

/** `mov r0, result; exit` */
function load(kind: keyof typeof kinds, result: number): number {
  const code = Buffer.alloc(16)
  code.writeUInt8(0xb7, 0)
  code.writeInt32LE(result, 4)
  code.writeUInt8(0x95, 8)
  const license = Buffer.from('GPL\0')
  const attributes = Buffer.alloc(128)
  attributes.writeUInt32LE(kinds[kind].type, 0)
  attributes.writeUInt32LE(2, 4)
  for (const [at, bytes] of [
    [8, code],
    [16, license],
  ] as const)
    attributes.writeBigUInt64LE(BigInt(koffi.address(pointerTo(bytes, bytes, 0))), at)
  return Number(syscall(number, PROG_LOAD, attributes, attributes.length))
}

/** Attaches it; gives what takes it away again. The kernel lets root of the machine do so, and nobody else. */
export function attach(kind: keyof typeof kinds, index: number, result = 0): () => void {
  const program = load(kind, result)
  const attributes = Buffer.alloc(64)
  attributes.writeInt32LE(program, 0)
  attributes.writeInt32LE(index, 4)
  attributes.writeUInt32LE(kinds[kind].attach, 8)
  const link = program < 0 ? -1 : Number(syscall(number, LINK_CREATE, attributes, attributes.length))
  if (program >= 0) closeFile(program)
  if (link < 0) throw new Error('the kernel takes no such program here')
  return () => void closeFile(link)
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const index = Number(indexOf(argv[2]))
  attach('xdp', index, XDP_DROP)
  process.stdout.write('attached\n')
  setInterval(() => {}, 60_000)
}

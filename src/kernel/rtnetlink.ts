/** Messages of rtnetlink as bytes, and interfaces by number and name. Source: rtnetlink(7), netlink(7), if_nametoindex(3). */
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const indexToName = libc.func('const char *if_indextoname(uint32_t index, _Out_ uint8_t *name)')
const nameToIndex = libc.func('uint32_t if_nametoindex(const char *name)')

const IF_NAMESIZE = 16
const NLM_F_REQUEST_DUMP = 0x301

/** Undefined when there is no such interface any more. */
export function interfaceName(index: number): string | undefined {
  const name: string | null = indexToName(index, Buffer.alloc(IF_NAMESIZE))
  return name ?? undefined
}

/** 0 when there is no such interface. */
export function interfaceIndex(name: string): number {
  return nameToIndex(name)
}

/** Asks for everything of a kind. `fixed`: the bytes of what stands before its attributes, in which the family is first. */
export function dumpRequest(type: number, fixed: number, family = 0): Buffer {
  const body = Buffer.alloc(fixed)
  body.writeUInt8(family)
  return routeMessage(type, NLM_F_REQUEST_DUMP, [body])
}

/** A header, and these parts one after the other. */
export function routeMessage(type: number, flags: number, parts: readonly Buffer[]): Buffer {
  const whole = Buffer.concat([Buffer.alloc(16), ...parts])
  whole.writeUInt32LE(whole.length, 0)
  whole.writeUInt16LE(type, 4)
  whole.writeUInt16LE(flags, 6)
  return whole
}

/** An attribute of bytes, or of attributes. */
export function routeAttribute(type: number, value: Buffer | readonly Buffer[]): Buffer {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.concat(value)
  const whole = Buffer.alloc(4 + ((bytes.length + 3) & ~3))
  whole.writeUInt16LE(4 + bytes.length, 0)
  whole.writeUInt16LE(type, 2)
  whole.set(bytes, 4)
  return whole
}

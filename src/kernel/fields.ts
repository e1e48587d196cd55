/** Fields of set elements: nft's text <-> the kernel's bytes. Each field of a concatenation is padded to four bytes. */
import { endianness } from 'node:os'
import ipaddr from 'ipaddr.js'
import { classid, numberOf } from '../compile/element.ts'
import type { FieldType } from '../compile/sets.ts'

interface Codec {
  readonly size: number
  readonly write: (text: string, to: Buffer, at: number) => void
  readonly read: (bytes: Buffer, at: number) => string
}

const littleEndian = endianness() === 'LE'

function named(names: Readonly<Record<string, number>>): Codec {
  const byNumber = new Map(Object.entries(names).map(([name, number]) => [number, name]))
  return {
    size: 1,
    write: (text, to, at) => to.writeUInt8(names[text] ?? Number(text), at),
    read: (bytes, at) => byNumber.get(bytes.readUInt8(at)) ?? String(bytes.readUInt8(at)),
  }
}

const machineInteger: Codec = {
  size: 4,
  write: (text, to, at) =>
    littleEndian ? to.writeUInt32LE(Number(text), at) : to.writeUInt32BE(Number(text), at),
  read: (bytes, at) => String(littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)),
}

const codecs = {
  nf_proto: named({ ipv4: 2, ipv6: 10 }),
  inet_proto: named({ tcp: 6, udp: 17 }),
  inet_service: {
    size: 2,
    write: (text, to, at) => to.writeUInt16BE(Number(text), at),
    read: (bytes, at) => String(bytes.readUInt16BE(at)),
  },
  // skb->priority is an integer in the machine's own byte order.
  classid: {
    size: 4,
    write: (text, to, at) =>
      littleEndian ? to.writeUInt32LE(numberOf(text), at) : to.writeUInt32BE(numberOf(text), at),
    read: (bytes, at) => classid(littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)),
  },
  ipv4_addr: {
    size: 4,
    write: (text, to, at) =>
      text.split('.').forEach((part, index) => void to.writeUInt8(Number(part), at + index)),
    read: (bytes, at) => addressText(bytes.subarray(at, at + 4)),
  },
  ipv6_addr: {
    size: 16,
    write: (text, to, at) => to.set(ipaddr.IPv6.parse(text).toByteArray(), at),
    read: (bytes, at) => addressText(bytes.subarray(at, at + 16)),
  },
  ifname: {
    size: 16,
    write: (text, to, at) => to.write(text.slice(1, -1), at, 15, 'latin1'),
    read: (bytes, at) => `"${bytes.toString('latin1', at, at + 16).replace(/\0.*$/s, '')}"`,
  },
  iface_index: machineInteger,
  // What numgen and jhash make.
  slot: machineInteger,
} as const satisfies Record<FieldType, Codec>

const padded = (size: number) => (size + 3) & ~3

/** The length of the fields as one register value: unpadded when there is a single field. */
function lengthOf(types: readonly FieldType[]): number {
  const [only] = types
  if (types.length === 1 && only) return codecs[only].size
  return types.reduce((sum, type) => sum + padded(codecs[type].size), 0)
}

/** Of four bytes or sixteen, as an address is in packets and messages. */
export function addressText(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : new ipaddr.IPv6([...bytes]).toRFC5952String()
}

export function encodeFields(types: readonly FieldType[], text: string): Buffer {
  const bytes = Buffer.alloc(lengthOf(types))
  const parts = types.length === 1 ? [text] : text.split(' . ')
  let at = 0
  types.forEach((type, index) => {
    codecs[type].write(parts[index] ?? '', bytes, at)
    at += padded(codecs[type].size)
  })
  return bytes
}

export function decodeFields(types: readonly FieldType[], bytes: Buffer): string {
  let at = 0
  return types
    .map((type) => {
      const text = codecs[type].read(bytes, at)
      at += padded(codecs[type].size)
      return text
    })
    .join(' . ')
}

/** Netfilter's messages as bytes: headers and attributes. Source: include/uapi/linux/netfilter/nfnetlink.h. */

const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP = 0x300
export const NLM_F_CREATE = 0x400
const NLA_F_NESTED = 0x8000
const nlaTypeMask = 0x3fff
const subsystemNftables = 10
const batchBegin = 0x10
const batchEnd = 0x11

export const tableName = 'drawbridge'

/** The type of a message of nftables (uapi/linux/netfilter/nf_tables.h). */
export function nftMessage(type: number): number {
  return (subsystemNftables << 8) | type
}

/** Address families as nfgenmsg has them; `inet` is the family of tables that see both. */
export const family = { unspec: 0, inet: 1, ipv4: 2, ipv6: 10 } as const

/** Writes messages one after the other into one growing buffer. Lengths are filled in when a part is closed. */
export class MessageWriter {
  #bytes = Buffer.alloc(1 << 16)
  #length = 0
  #last = 0

  /** Everything written so far. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Asks the kernel to acknowledge the message written last. */
  acknowledge(): void {
    this.#bytes.writeUInt16LE(this.#bytes.readUInt16LE(this.#last + 6) | NLM_F_ACK, this.#last + 6)
  }

  message(type: number, flags: number, messageFamily: number, write: () => void, resourceId = 0): void {
    const start = this.#reserve(20)
    this.#last = start
    this.#bytes.writeUInt16LE(type, start + 4)
    this.#bytes.writeUInt16LE(flags | NLM_F_REQUEST, start + 6)
    this.#bytes.writeUInt8(messageFamily, start + 16)
    this.#bytes.writeUInt16BE(resourceId, start + 18)
    write()
    this.#bytes.writeUInt32LE(this.#length - start, start)
  }

  /** Opens or closes an nftables transaction (nfnetlink_rcv_batch): all messages between hold, or none. */
  batch(edge: 'begin' | 'end'): void {
    this.message(edge === 'begin' ? batchBegin : batchEnd, 0, family.unspec, () => {}, subsystemNftables)
  }

  nest(type: number, write: () => void): void {
    const start = this.#reserve(4)
    this.#bytes.writeUInt16LE(type | NLA_F_NESTED, start + 2)
    write()
    this.#bytes.writeUInt16LE(this.#length - start, start)
  }

  attribute(type: number, value: Uint8Array): void {
    const start = this.#reserve(4 + ((value.length + 3) & ~3))
    this.#bytes.writeUInt16LE(4 + value.length, start)
    this.#bytes.writeUInt16LE(type, start + 2)
    this.#bytes.set(value, start + 4)
  }

  /** An attribute whose value is attributes already, as read from the kernel. */
  nested(type: number, value: Uint8Array): void {
    this.attribute(type | NLA_F_NESTED, value)
  }

  text(type: number, value: string): void {
    this.attribute(type, Buffer.from(`${value}\0`))
  }

  u32(type: number, value: number): void {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value >>> 0)
    this.attribute(type, bytes)
  }

  #reserve(size: number): number {
    const start = this.#length
    this.#length += size
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(this.#length, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, start)
      this.#bytes = grown
    }
    return start
  }
}

/** One message by itself. */
export function single(
  type: number,
  flags: number,
  messageFamily: number,
  write: (to: MessageWriter) => void,
): Buffer {
  const writer = new MessageWriter()
  writer.message(type, flags, messageFamily, () => write(writer))
  return writer.bytes
}

/** The attributes in `bytes` by type; of a repeated type the last one. */
export function attributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (const [type, value] of eachAttribute(bytes)) found.set(type, value)
  return found
}

/** The first attribute of this type, without looking at what comes after it. */
export function attributeIn(bytes: Buffer | undefined, type: number): Buffer | undefined {
  if (!bytes) return undefined
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4) return undefined
    if ((bytes.readUInt16LE(at + 2) & nlaTypeMask) === type) return bytes.subarray(at + 4, at + length)
    at += (length + 3) & ~3
  }
  return undefined
}

export function* eachAttribute(bytes: Buffer): Generator<[number, Buffer]> {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4) return
    yield [bytes.readUInt16LE(at + 2) & nlaTypeMask, bytes.subarray(at + 4, at + length)]
    at += (length + 3) & ~3
  }
}

/** The attributes of an answer, past its nfgenmsg. */
export function answerAttributes(body: Buffer): Map<number, Buffer> {
  return attributes(body.subarray(4))
}

export function textOf(bytes: Buffer | undefined): string {
  return bytes ? bytes.toString('latin1', 0, bytes.indexOf(0) >= 0 ? bytes.indexOf(0) : bytes.length) : ''
}

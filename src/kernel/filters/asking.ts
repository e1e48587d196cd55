/** What lies in a register, and what a comparison with it asks of the packet. Source: nft_payload.c, nft_meta.c, nft_ct.c. */
import type { Asked, FieldName, Row, Span } from '../../model/exposure/rules.ts'
import { number, type Parts } from '../others/expressions.ts'
import { interfaceName } from '../rtnetlink.ts'

/** A field of the packet, or a value that a rule has put there. */
export type Held =
  | {
      readonly kind: 'field'
      readonly field: FieldName
      /** Of the whole field, and of what was loaded of it. */
      readonly bytes: number
      readonly loaded: number
      readonly order: 'network' | 'host' | 'index'
      readonly mask: Buffer | null
    }
  | { readonly kind: 'ports' }
  | { readonly kind: 'value'; readonly bytes: Buffer }

type Order = (Held & { readonly kind: 'field' })['order']

const held = (field: FieldName, bytes: number, order: Order = 'network', loaded = bytes): Held => ({
  kind: 'field',
  field,
  bytes,
  loaded,
  order,
  mask: null,
})

export const unknown = held('other', 4)
const unknownOf = (bytes: number) => held('other', bytes)
/** What whoever sends a packet may choose. */
export const free = held('free', 4)
const freeOf = (bytes: number) => held('free', bytes)

/** enum nft_meta_keys. */
const metaFields: Readonly<Record<number, Held>> = {
  0: freeOf(4),
  1: held('etherType', 2),
  3: held('mark', 4, 'host'),
  4: held('inInterface', 4, 'index'),
  5: held('outInterface', 4, 'index'),
  6: held('inInterface', 16),
  7: held('outInterface', 16),
  8: held('linkType', 2, 'host'),
  15: held('family', 1),
  16: held('protocol', 1),
  19: held('packetKind', 1),
}

/** enum nft_ct_keys. */
const trackingFields: Readonly<Record<number, Held>> = {
  0: held('state', 4, 'host'),
  1: held('direction', 1),
  2: held('status', 4, 'host'),
  3: held('connectionMark', 4, 'host'),
}

export const metaField = (key: number) => metaFields[key] ?? unknown
export const trackingField = (key: number) => trackingFields[key] ?? unknown
/** Result 3 is the kind of an address, flag 2 the destination. */
export function routeField(result: number, flags: number): Held {
  const [OIF, KIND, SOURCE, DESTINATION, MARK, INCOMING, PRESENT] = [1, 3, 1, 2, 4, 8, 32]
  if (result === KIND) return (flags & ~INCOMING) === DESTINATION ? held('addressKind', 4, 'host') : unknown
  const isReturn = result === OIF && (flags & (SOURCE | DESTINATION)) === SOURCE
  if (!isReturn) return unknown
  // Packets have no mark as long as no rule sets one; what is compared is an interface, or whether there is one.
  const field = flags & INCOMING ? 'returns' : 'routed'
  return flags & PRESENT
    ? held(field, 1)
    : (flags & ~MARK) === (SOURCE | INCOMING)
      ? held(field, 4, 'host')
      : unknown
}

const [LINK, NETWORK, TRANSPORT] = [0, 1, 2]

/** An address of which a whole number of bytes is compared is loaded only that far. */
export function payloadField(parts: Parts): Held {
  const [base, offset, length] = [number(parts, 2), number(parts, 3), number(parts, 4)]
  if (base === TRANSPORT) {
    if (offset === 0 && length === 2) return held('sourcePort', 2)
    if (offset === 2 && length === 2) return held('port', 2)
    if (offset === 0 && length === 4) return { kind: 'ports' }
    if (offset === 0 && length === 1) return held('icmpType', 1)
    if (offset === 1 && length === 1) return held('icmpCode', 1)
    return offset === 13 && length === 1 ? held('tcpFlags', 1) : freeOf(length)
  }
  if (base === LINK && offset === 12 && length === 2) return held('etherType', 2)
  if (base === NETWORK) {
    if (offset === 12 && length <= 4) return held('source', 4, 'network', length)
    if (offset === 16 && length <= 4) return held('address', 4, 'network', length)
    if (offset === 8 && length <= 16 && length > 1) return held('source', 16, 'network', length)
    if (offset === 24 && length <= 16) return held('address', 16, 'network', length)
    if ((offset === 9 || offset === 6) && length === 1) return held('protocol', 1)
    return freeOf(length)
  }
  return unknownOf(length)
}

export function masked(field: Held, mask: Buffer, xor: Buffer): Held {
  if (field.kind !== 'field' || field.mask || field.order === 'index' || xor.some((byte) => byte !== 0))
    return field.kind === 'field' && field.field === 'free' ? freeOf(mask.length) : unknownOf(mask.length)
  return { ...field, mask }
}

/** How the fields that stand from a register on are asked about, for keys of so many bytes; undefined: not known. */
export interface Key {
  readonly asked: readonly Asked[]
  /** The key's bytes as a span for each field. */
  readonly row: (low: Buffer, high: Buffer) => Row
}

export function keyOf(registers: ReadonlyMap<number, Held>, from: number, length: number): Key | undefined {
  const first = registers.get(from)
  if (first?.kind === 'ports') return portsKey
  if (first?.kind === 'field' && length <= first.loaded) return oneKey(first)
  const fields: { readonly field: Held & { kind: 'field' }; readonly at: number }[] = []
  for (let at = 0; at < length; ) {
    const field = registers.get(from + at / 4)
    if (field?.kind !== 'field') return undefined
    fields.push({ field, at })
    at += (field.loaded + 3) & ~3
  }
  return {
    asked: fields.map(({ field }) => askedOf(field)),
    row: (low, high) =>
      fields.map(({ field, at }) =>
        spanOf(field, low.subarray(at, at + field.loaded), high.subarray(at, at + field.loaded)),
      ),
  }
}

function oneKey(field: Held & { kind: 'field' }): Key {
  return { asked: [askedOf(field)], row: (low, high) => [spanOf(field, low, high)] }
}

/** Source and destination port loaded in one. */
const portsKey: Key = {
  asked: [
    { field: 'sourcePort', bits: 16, mask: null },
    { field: 'port', bits: 16, mask: null },
  ],
  row: (low, high) =>
    [0, 2].map((at) => [hex(low.subarray(at, at + 2)), hex(high.subarray(at, at + 2))] as const),
}

function askedOf({ field, bytes, mask, order }: Held & { kind: 'field' }): Asked {
  const bits = order === 'index' ? 128 : bytes * 8
  if (!mask) return { field, bits, mask: null }
  return { field, bits, mask: hex(order === 'host' ? reversed(mask) : padded(mask, bytes, 0)) }
}

/** Of a field that was loaded or compared in part, the rest may be anything. */
function spanOf({ bytes, order }: Held & { kind: 'field' }, low: Buffer, high: Buffer): Span {
  if (order === 'index') {
    const name = hex(padded(Buffer.from(nameOf(low), 'latin1'), 16, 0))
    return [name, name]
  }
  if (order === 'host') return [hex(reversed(low)), hex(reversed(high))]
  return [hex(padded(low, bytes, 0)), hex(padded(high, bytes, 0xff))]
}

function nameOf(index: Buffer): string {
  return interfaceName(index.readUInt32LE(0)) ?? ''
}

const hex = (bytes: Buffer) => bytes.toString('hex')
const reversed = (bytes: Buffer) => Buffer.from(bytes).reverse()
const padded = (bytes: Buffer, length: number, filling: number) =>
  Buffer.concat([bytes, Buffer.alloc(Math.max(0, length - bytes.length), filling)])

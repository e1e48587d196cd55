/** The elements of another program's set, as spans. Source: nf_tables_fill_setelem() in net/netfilter/nf_tables_api.c. */
import { orEmpty } from '../dump.ts'
import type { Netlink } from '../netlink.ts'
import { attributeIn, attributes, eachAttribute, NLM_F_DUMP, nftMessage, single } from '../nfnetlink.ts'
import { chainOf, type Parts, type SetElement } from './expressions.ts'

const GETSETELEM = nftMessage(13)
const listAttributes = { table: 1, set: 2, elements: 3 } as const
const elementAttributes = { key: 1, data: 2, flags: 3, expiration: 5, keyEnd: 10 } as const
const INTERVAL_END = 1

/** An element as the kernel tells it; of an interval it is one end. */
export interface Raw {
  readonly key: Buffer
  readonly keyEnd: Buffer | undefined
  readonly end: boolean
  readonly chain: string | undefined
  /** What a map has for it. */
  readonly data: Parts | undefined
  /** Milliseconds until the kernel forgets it; null: never. */
  readonly lasts: number | null
}

export function readElements(netlink: Netlink, family: number, table: string, set: string): SetElement[] {
  // The kernel gives them in no order.
  return spansOf(readRaw(netlink, family, table, set).sort(byKey))
}

export function readRaw(netlink: Netlink, family: number, table: string, set: string): Raw[] {
  const request = single(GETSETELEM, NLM_F_DUMP, family, (to) => {
    to.text(listAttributes.table, table)
    to.text(listAttributes.set, set)
  })
  return orEmpty(() => netlink.request(request, 'reading a set')).flatMap(({ body }) =>
    rawIn(body.subarray(4)),
  )
}

/** Whether it has the element that stands for all others (`*`, NFT_SET_ELEM_CATCHALL). */
export function hasRest(netlink: Netlink, family: number, table: string, set: string): boolean {
  const request = single(GETSETELEM, NLM_F_DUMP, family, (to) => {
    to.text(listAttributes.table, table)
    to.text(listAttributes.set, set)
  })
  return orEmpty(() => netlink.request(request, 'reading a set')).some(({ body }) => {
    const elements = attributeIn(body.subarray(4), listAttributes.elements) ?? Buffer.alloc(0)
    return [...eachAttribute(elements)].some(([, bytes]) => !attributeIn(bytes, elementAttributes.key))
  })
}

/** The elements in the attributes of a message. */
export function rawIn(message: Buffer): Raw[] {
  const elements = attributeIn(message, listAttributes.elements) ?? Buffer.alloc(0)
  return [...eachAttribute(elements)].flatMap(([, bytes]) => rawOf(bytes) ?? [])
}

/** Undefined for the element that stands for all others (`*`), which has no key. */
function rawOf(bytes: Buffer): Raw | undefined {
  const value = (type: number) => attributeIn(attributeIn(bytes, type), 1)
  const key = value(elementAttributes.key)
  if (!key) return undefined
  const data = attributeIn(bytes, elementAttributes.data)
  const parts = data && attributes(data)
  const flags = attributeIn(bytes, elementAttributes.flags)?.readUInt32BE() ?? 0
  const expiration = attributeIn(bytes, elementAttributes.expiration)
  return {
    key,
    keyEnd: value(elementAttributes.keyEnd),
    end: (flags & INTERVAL_END) !== 0,
    chain: parts && chainOf(parts),
    data: parts,
    lasts: expiration ? Number(expiration.readBigUInt64BE()) : null,
  }
}

/** A set of intervals holds each first key, and behind its last one a key that says "from here on not any more". */
export function spansOf(raw: readonly Raw[]): (SetElement & Pick<Raw, 'lasts'>)[] {
  if (!raw.some(({ end }) => end))
    return raw.map(({ key, keyEnd, ...rest }) => ({ low: key, high: keyEnd ?? key, ...rest }))
  const sorted = [...raw].sort(byKey)
  return sorted.flatMap(({ key, end, chain, data, lasts }, index) => {
    const next = sorted[index + 1]
    if (end) return []
    return [{ low: key, high: next ? before(next.key) : Buffer.alloc(key.length, 0xff), chain, data, lasts }]
  })
}

/** Where one interval ends and the next begins, the end comes first. */
function byKey(a: Raw, b: Raw): number {
  return Buffer.compare(a.key, b.key) || Number(b.end) - Number(a.end)
}

/** The number one less, in as many bytes. */
function before(key: Buffer): Buffer {
  const less = (BigInt(`0x${key.toString('hex')}`) - 1n).toString(16).padStart(key.length * 2, '0')
  return Buffer.from(less, 'hex')
}

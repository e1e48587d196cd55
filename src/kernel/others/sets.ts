/** The elements of another program's set, as spans. Source: nf_tables_fill_setelem() in net/netfilter/nf_tables_api.c. */
import { orEmpty } from '../dump.ts'
import type { Netlink } from '../netlink.ts'
import { answerAttributes, attributes, eachAttribute, NLM_F_DUMP, nftMessage, single } from '../nfnetlink.ts'
import { chainOf, type SetElement } from './expressions.ts'

const GETSETELEM = nftMessage(13)
const listAttributes = { table: 1, set: 2, elements: 3 } as const
const elementAttributes = { key: 1, data: 2, flags: 3, keyEnd: 10 } as const
const INTERVAL_END = 1

interface Raw {
  readonly key: Buffer
  readonly keyEnd: Buffer | undefined
  readonly end: boolean
  readonly chain: string | undefined
}

export function readElements(netlink: Netlink, family: number, table: string, set: string): SetElement[] {
  const request = single(GETSETELEM, NLM_F_DUMP, family, (to) => {
    to.text(listAttributes.table, table)
    to.text(listAttributes.set, set)
  })
  const raw = orEmpty(() => netlink.request(request, 'reading a set')).flatMap(({ body }) => {
    const elements = answerAttributes(body).get(listAttributes.elements) ?? Buffer.alloc(0)
    return [...eachAttribute(elements)].map(([, bytes]) => rawOf(bytes))
  })
  // The kernel gives them in no order.
  const sorted = raw.sort((a, b) => Buffer.compare(a.key, b.key) || Number(b.end) - Number(a.end))
  if (sorted.some(({ end }) => end)) return spansOf(sorted)
  return sorted.map(({ key, keyEnd, chain }) => ({ low: key, high: keyEnd ?? key, chain }))
}

function rawOf(bytes: Buffer): Raw {
  const parts = attributes(bytes)
  const value = (type: number) => attributes(parts.get(type) ?? Buffer.alloc(0))
  return {
    key: value(elementAttributes.key).get(1) ?? Buffer.alloc(0),
    keyEnd: value(elementAttributes.keyEnd).get(1),
    end: ((parts.get(elementAttributes.flags)?.readUInt32BE() ?? 0) & INTERVAL_END) !== 0,
    chain: chainOf(value(elementAttributes.data)),
  }
}

/** A set of intervals holds each first key, and behind its last one a key that says "from here on not any more". */
function spansOf(sorted: readonly Raw[]): SetElement[] {
  return sorted.flatMap(({ key, end, chain }, index) => {
    const next = sorted[index + 1]
    return end ? [] : [{ low: key, high: next ? before(next.key) : Buffer.alloc(key.length, 0xff), chain }]
  })
}

/** The number one less, in as many bytes. */
function before(key: Buffer): Buffer {
  const less = (BigInt(`0x${key.toString('hex')}`) - 1n).toString(16).padStart(key.length * 2, '0')
  return Buffer.from(less, 'hex')
}

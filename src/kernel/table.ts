/** Our table in the kernel: elements written, read back and counted by netlink. Source: uapi/linux/netfilter/nf_tables.h. */
import type { Difference } from '../compile/difference.ts'
import type { Element } from '../compile/element.ts'
import { layoutOf } from '../compile/sets.ts'
import { orEmpty, untorn } from './dump.ts'
import { decodeFields, encodeFields } from './fields.ts'
import { type Answer, KernelError, type Netlink } from './netlink.ts'
import {
  answerAttributes,
  attributeIn,
  attributes,
  eachAttribute,
  family,
  MessageWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  nftMessage,
  single,
  tableName,
} from './nfnetlink.ts'

const NEWSETELEM = nftMessage(12)
const GETSETELEM = nftMessage(13)
const DELSETELEM = nftMessage(14)

const list = { table: 1, set: 2, elements: 3 } as const
const element = { key: 1, data: 2, expression: 7, expressions: 11 } as const
const value = 1
const listItem = 1
const EMSGSIZE = 90

/** An attribute holds at most 64 KiB, so a set's elements are spread over messages of this many. */
const perMessage = 500

/** An element with its fields as the kernel has them. */
interface Encoded {
  readonly element: Element
  readonly key: Buffer
  readonly data: Buffer | undefined
}

/**
 * Writes a difference as one transaction, reads back what was added and gives the elements that are not there as they
 * should be. Where the socket may not hold the transaction whole (a user namespace, whose send buffer the machine limits
 * by net.core.wmem_max), it is halved until it fits: only there a large change is several.
 */
export function writeDifference(netlink: Netlink, { remove, add }: Difference): Element[] {
  commitElements(netlink, remove, add)
  return missingElements(netlink, add)
}

function encode(one: Element): Encoded {
  const { key, data } = layoutOf(one.set)
  const mapped = data && one.data !== undefined ? encodeFields(data, one.data) : undefined
  return { element: one, key: encodeFields(key, one.key), data: mapped }
}

function commitElements(netlink: Netlink, remove: readonly Element[], add: readonly Element[]): void {
  if (remove.length + add.length === 0) return
  const writer = new MessageWriter()
  writer.batch('begin')
  writeElements(writer, DELSETELEM, 0, remove)
  writeElements(writer, NEWSETELEM, NLM_F_CREATE, add)
  writer.acknowledge()
  writer.batch('end')
  try {
    netlink.commit(writer.bytes, 'writing elements')
  } catch (error) {
    const whole = remove.length + add.length
    if (!(error instanceof KernelError && error.errno === EMSGSIZE) || whole < 2) throw error
    for (const part of halves(remove, add)) commitElements(netlink, part.remove, part.add)
  }
}

function halves(remove: readonly Element[], add: readonly Element[]) {
  if (remove.length > 0 && add.length > 0)
    return [
      { remove, add: [] },
      { remove: [], add },
    ]
  const [r, a] = [remove.length >> 1, add.length >> 1]
  return [
    { remove: remove.slice(0, r), add: add.slice(0, a) },
    { remove: remove.slice(r), add: add.slice(a) },
  ]
}

/** The elements set by set, in portions that one message can hold; encoded as they are needed, as there may be many. */
function* portions(elements: readonly Element[]): Generator<[set: string, portion: readonly Encoded[]]> {
  for (const [set, members] of Map.groupBy(elements, (one) => one.set)) {
    for (let from = 0; from < members.length; from += perMessage) {
      yield [set, members.slice(from, from + perMessage).map(encode)]
    }
  }
}

function writeElements(
  writer: MessageWriter,
  type: number,
  flags: number,
  elements: readonly Element[],
): void {
  for (const [set, portion] of portions(elements)) {
    writer.message(type, flags, family.inet, () => writeList(writer, set, portion, type === NEWSETELEM))
  }
}

function writeList(
  writer: MessageWriter,
  set: string,
  elements: readonly Encoded[],
  withData: boolean,
): void {
  writer.text(list.table, tableName)
  writer.text(list.set, set)
  writer.nest(list.elements, () => {
    for (const { key, data } of elements) {
      writer.nest(listItem, () => {
        writer.nest(element.key, () => writer.attribute(value, key))
        if (withData && data) writer.nest(element.data, () => writer.attribute(value, data))
      })
    }
  })
}

/**
 * Asks for each element by its key: a dump would do for many, but one taken while the kernel still resizes a set it has
 * just filled leaves elements out (rhashtable_walk_start in lib/rhashtable.c).
 */
function missingElements(netlink: Netlink, elements: readonly Element[]): Element[] {
  return [...portions(elements)].flatMap(([set, portion]) => missingOf(netlink, set, portion))
}

/** The kernel answers in order for all keys or, when one is missing, for none: then each half is asked for by itself. */
function missingOf(netlink: Netlink, set: string, elements: readonly Encoded[]): Element[] {
  const answers = lookUp(netlink, set, elements)
  if (answers.length === 0 && elements.length > 1) {
    const half = elements.length >> 1
    return [
      ...missingOf(netlink, set, elements.slice(0, half)),
      ...missingOf(netlink, set, elements.slice(half)),
    ]
  }
  return elements.filter((one, index) => !isAnswer(one, answers[index])).map((one) => one.element)
}

function lookUp(netlink: Netlink, set: string, elements: readonly Encoded[]): Answer[] {
  const request = single(GETSETELEM, NLM_F_ACK, family.inet, (to) => writeList(to, set, elements, false))
  return orEmpty(() => netlink.request(request, `reading back ${set}`))
}

/** Whether the answer is about this element and has its data; bytes are compared, nothing is decoded. */
function isAnswer({ key, data }: Encoded, answer: Answer | undefined): boolean {
  const item = answer && attributeIn(attributeIn(answer.body.subarray(4), list.elements), listItem)
  const held = (type: number) => attributeIn(attributeIn(item, type), value)
  const heldKey = held(element.key)
  if (!heldKey || !key.equals(heldKey)) return false
  return !data || data.equals(held(element.data) ?? Buffer.alloc(0))
}

/** What each of these elements has counted, in their order; undefined where the kernel has no such element. */
export function countElements(netlink: Netlink, elements: readonly Element[]): (number | undefined)[] {
  return elements.map((one) => {
    const [answer] = lookUp(netlink, one.set, [encode(one)])
    return answer && membersOf(one.set, answer.body)[0]?.count
  })
}

interface Member {
  readonly key: string
  readonly data: string
  readonly count: number
}

/** All elements of one set, with the packets each has counted. Empty when there is no such set or table. */
export function readSet(netlink: Netlink, set: string): Member[] {
  const request = single(GETSETELEM, NLM_F_DUMP, family.inet, (to) => {
    to.text(list.table, tableName)
    to.text(list.set, set)
  })
  return orEmpty(() =>
    untorn(netlink, (reader) => reader.request(request, `reading ${set}`)).flatMap(({ body }) =>
      membersOf(set, body),
    ),
  )
}

function membersOf(set: string, body: Buffer): Member[] {
  const layout = layoutOf(set)
  return itemsOf(body).map((item) => {
    const parts = attributes(item)
    const data = parts.get(element.data)
    return {
      key: decodeFields(layout.key, bytesOf(parts.get(element.key))),
      data: data && layout.data ? decodeFields(layout.data, bytesOf(data)) : '',
      count: countOf(parts),
    }
  })
}

function itemsOf(body: Buffer): Buffer[] {
  const elements = answerAttributes(body).get(list.elements)
  return elements ? [...eachAttribute(elements)].map(([, item]) => item) : []
}

function bytesOf(nested: Buffer | undefined): Buffer {
  return (nested && attributes(nested).get(value)) ?? Buffer.alloc(32)
}

/** NFTA_COUNTER_PACKETS of the element's counter expression. */
function countOf(parts: Map<number, Buffer>): number {
  const expression = parts.get(element.expression) ?? firstOf(parts.get(element.expressions))
  const data = expression && attributes(expression).get(2)
  const packets = data && attributes(data).get(2)
  return packets ? Number(packets.readBigUInt64BE()) : 0
}

function firstOf(nested: Buffer | undefined): Buffer | undefined {
  return nested && [...eachAttribute(nested)][0]?.[1]
}

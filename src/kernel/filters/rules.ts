/** One rule of nftables as steps: what it asks, and what it does. Source: include/uapi/linux/netfilter/nf_tables.h. */
import type { Asked, Step, Verdict } from '../../model/exposure/rules.ts'
import { decodeFields } from '../fields.ts'
import { attributes, eachAttribute, textOf } from '../nfnetlink.ts'
import {
  data,
  LIST_ELEMENT,
  nested,
  number,
  type Parts,
  register,
  type SetElement,
} from '../others/expressions.ts'
import {
  free,
  type Held,
  keyOf,
  masked,
  metaField,
  payloadField,
  routeField,
  trackingField,
  unknown,
} from './asking.ts'
import { stepsOfMatch, stepsOfTarget } from './xtables.ts'

/** `rest`: it has an element for all that the others do not name. */
export type ReadSet = (name: string) => { readonly elements: readonly SetElement[]; readonly rest: boolean }

interface Reading {
  readonly registers: Map<number, Held>
  readonly steps: Step[]
  readonly family: number
  readonly readSet: ReadSet
}

type Reader = (reading: Reading, parts: Parts) => void

export function readSteps(expressions: Buffer, family: number, readSet: ReadSet): readonly Step[] {
  const reading: Reading = { registers: new Map(), steps: [], family, readSet }
  for (const [type, bytes] of eachAttribute(expressions)) {
    if (type !== LIST_ELEMENT) continue
    const parts = attributes(bytes)
    const read = readers[textOf(parts.get(1))]
    if (read) read(reading, nested(parts, 2))
    else {
      reading.steps.push(unread)
      reading.registers.clear()
    }
  }
  return reading.steps
}

const unread: Step = { kind: 'doubt', why: 'unread' }
const limited: Step = { kind: 'doubt', why: 'limit' }
const verdict = (of: Verdict): Step => ({ kind: 'verdict', verdict: of })

const nothing: Reader = () => {}
const limits: Reader = ({ steps }) => void steps.push(limited)
const elsewhere: Reader = ({ steps }) => void steps.push(verdict({ kind: 'queue' }))
const [META_MARK, CT_MARK] = [3, 3]

const readers: Readonly<Record<string, Reader>> = {
  counter: nothing,
  log: nothing,
  last: nothing,
  flow_offload: nothing,
  dup: nothing,
  limit: limits,
  quota: limits,
  connlimit: limits,
  queue: elsewhere,
  fwd: elsewhere,
  tproxy: elsewhere,
  synproxy: elsewhere,
  notrack: ({ steps }) => void steps.push({ kind: 'alters', field: 'state' }),
  reject: ({ steps }) => void steps.push(verdict({ kind: 'reject' })),
  masq: ({ steps }) => void steps.push(verdict({ kind: 'accept' })),
  objref: ({ steps }, parts) => {
    // Quotas, limits and numbers of connections that have a name.
    if ([2, 4, 5].includes(number(parts, 1))) steps.push(limited)
  },
  dynset: ({ steps }, parts) => {
    if (parts.has(7) || parts.has(10)) steps.push(limited)
  },
  payload: (reading, parts) => {
    if (parts.has(1)) reading.registers.set(register(parts, 1), payloadField(parts))
  },
  meta: (reading, parts) => {
    if (parts.has(1)) reading.registers.set(register(parts, 1), metaField(number(parts, 2)))
    else if (number(parts, 2) === META_MARK) reading.steps.push({ kind: 'alters', field: 'mark' })
  },
  ct: (reading, parts) => {
    if (parts.has(1)) reading.registers.set(register(parts, 1), trackingField(number(parts, 2)))
    else if (number(parts, 2) === CT_MARK) reading.steps.push({ kind: 'alters', field: 'connectionMark' })
  },
  fib: (reading, parts) =>
    reading.registers.set(register(parts, 1), routeField(number(parts, 2), number(parts, 3))),
  bitwise: (reading, parts) => {
    const field = reading.registers.get(register(parts, 1)) ?? unknown
    reading.registers.set(register(parts, 2), masked(field, data(parts, 4), data(parts, 5)))
  },
  exthdr: (reading, parts) => {
    if (parts.has(1)) reading.registers.set(register(parts, 1), free)
  },
  byteorder: (reading, parts) => reading.registers.set(register(parts, 2), unknown),
  cmp: (reading, parts) => compare(reading, register(parts, 1), number(parts, 2), data(parts, 3)),
  range: (reading, parts) =>
    test(reading, register(parts, 1), [[data(parts, 3), data(parts, 4)]], number(parts, 2) === 1),
  lookup,
  immediate: (reading, parts) => {
    if (number(parts, 1) !== NFT_REG_VERDICT)
      reading.registers.set(register(parts, 1), { kind: 'value', bytes: data(parts, 2) })
    else reading.steps.push(...verdictsOf(nested(parts, 2)).map(verdict))
  },
  match: ({ steps, family }, parts) =>
    void steps.push(...stepsOfMatch(textOf(parts.get(1)), number(parts, 2), infoOf(parts), family)),
  target: ({ steps, family }, parts) =>
    void steps.push(...stepsOfTarget(textOf(parts.get(1)), number(parts, 2), infoOf(parts), family)),
  nat: (reading, parts) => {
    if (number(parts, 1) !== DNAT) reading.steps.push(verdict({ kind: 'accept' }))
    else reading.steps.push(verdict(translation(reading, parts, 3, 5, 6)))
  },
  redir: (reading, parts) => void reading.steps.push(verdict(translation(reading, parts, undefined, 1, 2))),
}

const NFT_REG_VERDICT = 0
const DNAT = 1
const LOOKUP_INVERTED = 1
const infoOf = (parts: Parts) => parts.get(3) ?? Buffer.alloc(160)

type Edges = readonly [low: Buffer, high: Buffer]

function test({ registers, steps }: Reading, from: number, edges: readonly Edges[], not: boolean): void {
  const key = keyOf(registers, from, edges[0]?.[0].length ?? 0)
  if (!key) steps.push(unread)
  else
    steps.push({ kind: 'test', asked: key.asked, rows: edges.map(([low, high]) => key.row(low, high)), not })
}

function compare(reading: Reading, from: number, how: number, value: Buffer): void {
  const [EQ, NEQ, LT, , GT] = [0, 1, 2, 3, 4]
  if (how === EQ || how === NEQ) {
    test(reading, from, [[value, value]], how === NEQ)
    return
  }
  const whole = BigInt(`0x${value.toString('hex')}`)
  const below = how < (GT as number)
  const edge = whole + (how === LT ? -1n : how === GT ? 1n : 0n)
  if (edge < 0n) {
    reading.steps.push(unread)
    return
  }
  const bytes = Buffer.from(edge.toString(16).padStart(value.length * 2, '0'), 'hex')
  const [none, most] = [Buffer.alloc(value.length), Buffer.alloc(value.length, 0xff)]
  test(reading, from, [below ? [none, bytes] : [bytes, most]], false)
}

function lookup(reading: Reading, parts: Parts): void {
  const { elements, rest } = reading.readSet(textOf(parts.get(1)))
  const from = register(parts, 2)
  if (!parts.has(3) || number(parts, 3) !== NFT_REG_VERDICT) {
    const not = (number(parts, 5) & LOOKUP_INVERTED) !== 0
    const edges = elements.map(({ low, high }) => [low, high] as const)
    if (rest) reading.steps.push(unread)
    else if (edges.length > 0) test(reading, from, edges, not)
    else reading.steps.push({ kind: 'test', asked: [], rows: [], not })
    if (parts.has(3)) reading.registers.set(register(parts, 3), unknown)
    return
  }
  const key = keyOf(reading.registers, from, elements[0]?.low.length ?? 0)
  // Where the key cannot be read, any of the verdicts may be the one.
  const asked: readonly Asked[] = key?.asked ?? [{ field: 'other', bits: 32, mask: null }]
  const rowOf = ({ low, high }: SetElement) => key?.row(low, high) ?? [['0', '0'] as const]
  const rows = elements.flatMap((element) =>
    verdictsOf(element.data ?? new Map()).map((of) => ({ row: rowOf(element), verdict: of })),
  )
  if (elements.length > 0) reading.steps.push({ kind: 'branch', asked, rows })
  if (rest) reading.steps.push(verdict({ kind: 'queue' }))
  else if (elements.length === 0) reading.steps.push({ kind: 'test', asked: [], rows: [], not: false })
}

/** None of a verdict that lets the rule go on. */
function verdictsOf(verdictParts: Parts): Verdict[] {
  const parts = nested(verdictParts, 2)
  const code = parts.get(1)?.readInt32BE() ?? -1
  const chain = textOf(parts.get(2))
  const [JUMP, GOTO, RETURN] = [-3, -4, -5]
  if (code === JUMP) return [{ kind: 'jump', chain }]
  if (code === GOTO) return [{ kind: 'goto', chain }]
  if (code === RETURN) return [{ kind: 'return' }]
  if (code < 0) return []
  const [DROP, ACCEPT] = [0, 1]
  return [{ kind: (code & 0xff) === DROP ? 'drop' : (code & 0xff) === ACCEPT ? 'accept' : 'queue' }]
}

function translation(
  { registers }: Reading,
  parts: Parts,
  address: number | undefined,
  portMin: number,
  portMax: number,
): Verdict {
  const valueAt = (type: number) => {
    const field = parts.has(type) ? registers.get(register(parts, type)) : undefined
    return field?.kind === 'value' ? field.bytes : undefined
  }
  const asks = (type: number | undefined) => type !== undefined && parts.has(type)
  const to = asks(address) ? valueAt(address as number) : undefined
  const first = valueAt(portMin)?.readUInt16BE()
  const last = valueAt(portMax)?.readUInt16BE() ?? first
  return {
    kind: 'translate',
    address: to ? decodeFields([to.length === 4 ? 'ipv4_addr' : 'ipv6_addr'], to) : null,
    ports: first === undefined ? null : [first, last ?? first],
    known: (!asks(address) || to !== undefined) && (!asks(portMin) || first !== undefined),
  }
}

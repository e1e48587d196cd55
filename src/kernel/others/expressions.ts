/**
 * One rule of nftables, read as far as the packets it takes and where it sends them. Registers are followed as the kernel
 * fills them. Source: include/uapi/linux/netfilter/nf_tables.h.
 */
import type { Match } from '../../model/match.ts'
import { decodeFields } from '../fields.ts'
import { attributes, eachAttribute, textOf } from '../nfnetlink.ts'
import { type Field, narrow, type Span, type Test } from './fields.ts'
import { destinationOf, narrowByMatch, redirection, translation } from './xtables.ts'

/** What a rule does with the packets that match. `to`: where a destination is translated to. */
export type Outcome =
  | { readonly kind: 'translate'; readonly match: Match; readonly to: string }
  | { readonly kind: 'jump'; readonly match: Match; readonly chain: string }
  | { readonly kind: 'leave'; readonly match: Match }

export interface SetElement extends Span {
  /** Where a map of verdicts leads, if it is one. */
  readonly chain: string | undefined
  /** What a map has for it. */
  readonly data: Parts | undefined
}

export type ReadSet = (name: string) => readonly SetElement[]

interface State {
  match: Match
  readonly registers: Map<number, Field>
  readonly outcomes: Outcome[]
}

export type Parts = ReadonlyMap<number, Buffer>
type Reader = (state: State, parts: Parts, family: number, readSet: ReadSet) => void

const other: Field = { kind: 'other' }
export const number = (parts: Parts, type: number) => parts.get(type)?.readUInt32BE() ?? 0
export const nested = (parts: Parts, type: number) => attributes(parts.get(type) ?? Buffer.alloc(0))
export const data = (parts: Parts, type: number) => nested(parts, type).get(1) ?? Buffer.alloc(0)

/** Registers are named in units of sixteen bytes or of four; both as the latter. */
export const register = (parts: Parts, type: number) => {
  const name = number(parts, type)
  return name <= 4 ? name * 4 : name - 4
}

/** The type of each expression in a rule's list. */
export const LIST_ELEMENT = 1

/** What the rule does, given what comes to it. `expressions` is its attribute of that name. */
export function readRule(
  expressions: Buffer,
  comes: Match,
  family: number,
  readSet: ReadSet,
): readonly Outcome[] {
  const state: State = { match: comes, registers: new Map(), outcomes: [] }
  for (const [type, bytes] of eachAttribute(expressions)) {
    if (type !== LIST_ELEMENT) continue
    const parts = attributes(bytes)
    const read = readers[textOf(parts.get(1))]
    if (read) read(state, nested(parts, 2), family, readSet)
    else state.match = { ...state.match, exact: false }
  }
  return state.outcomes
}

function test(state: State, from: number, how: Test): void {
  state.match = narrow(state.match, state.registers.get(from) ?? other, how)
}

const nothing: Reader = () => {}

const readers: Readonly<Record<string, Reader>> = {
  counter: nothing,
  log: nothing,
  notrack: nothing,
  payload: (state, parts) => state.registers.set(register(parts, 1), payloadField(parts)),
  meta: (state, parts) => {
    if (parts.has(1)) state.registers.set(register(parts, 1), metaFields[number(parts, 2)] ?? other)
  },
  // Result 3 is the kind of an address, flag 2 the destination.
  fib: (state, parts) => {
    const local = number(parts, 2) === 3 && (number(parts, 3) & 2) !== 0
    state.registers.set(register(parts, 1), { kind: local ? 'local' : 'other' })
  },
  ct: (state, parts) => {
    if (parts.has(1)) state.registers.set(register(parts, 1), other)
  },
  bitwise: (state, parts) => {
    const field = state.registers.get(register(parts, 1)) ?? other
    state.registers.set(register(parts, 2), maskedField(field, data(parts, 4), data(parts, 5)))
  },
  cmp: (state, parts) => test(state, register(parts, 1), comparison(number(parts, 2), data(parts, 3))),
  range: (state, parts) => {
    const spans = [{ low: data(parts, 3), high: data(parts, 4) }]
    test(state, register(parts, 1), { kind: 'within', spans, not: number(parts, 2) === 1 })
  },
  lookup: (state, parts, _family, readSet) => lookup(state, parts, readSet),
  immediate: (state, parts) => immediate(state, parts),
  match: (state, parts) => {
    state.match = narrowByMatch(state.match, textOf(parts.get(1)), parts.get(3) ?? Buffer.alloc(64))
  },
  target: (state, parts, family) => {
    const to = destinationOf(textOf(parts.get(1)), number(parts, 2), family, parts.get(3) ?? Buffer.alloc(64))
    if (to !== undefined) state.outcomes.push({ kind: 'translate', match: state.match, to })
  },
  nat: (state, parts) => {
    if (number(parts, 1) !== 1) return
    const [address, port] = [valueAt(state, parts, 3), valueAt(state, parts, 5)]
    const to = address && decodeFields([address.length === 4 ? 'ipv4_addr' : 'ipv6_addr'], address)
    const where = to === undefined ? 'a target that a map tells' : translation(to, port?.readUInt16BE())
    state.outcomes.push({ kind: 'translate', match: state.match, to: where })
  },
  redir: (state, parts) => {
    const to = redirection(valueAt(state, parts, 1)?.readUInt16BE())
    state.outcomes.push({ kind: 'translate', match: state.match, to })
  },
}

function valueAt(state: State, parts: Parts, type: number): Buffer | undefined {
  const field = parts.has(type) ? state.registers.get(register(parts, type)) : undefined
  return field?.kind === 'value' ? field.bytes : undefined
}

const [NETWORK, TRANSPORT] = [1, 2]

/** `ip daddr` of a whole number of bytes is loaded only as far as it is compared. */
function payloadField(parts: Parts): Field {
  const [base, offset, length] = [number(parts, 2), number(parts, 3), number(parts, 4)]
  if (base === TRANSPORT && offset === 2 && length === 2) return { kind: 'port' }
  if (base === TRANSPORT && offset === 0 && length === 4) return { kind: 'bothPorts' }
  if (base !== NETWORK) return other
  if (offset === 16 && length <= 4) return { kind: 'address', family: 4, bits: length * 8 }
  if (offset === 24 && length <= 16) return { kind: 'address', family: 6, bits: length * 8 }
  return (offset === 9 || offset === 6) && length === 1 ? { kind: 'protocol' } : other
}

/** enum nft_meta_keys. */
const metaFields: Readonly<Record<number, Field>> = {
  4: { kind: 'index' },
  6: { kind: 'interface' },
  15: { kind: 'family' },
  16: { kind: 'protocol' },
}

/** A mask that is a prefix, over an address. */
function maskedField(field: Field, mask: Buffer, xor: Buffer): Field {
  if (field.kind !== 'address' || xor.some((byte) => byte !== 0)) return other
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const length = bits.lastIndexOf('1') + 1
  return bits.slice(0, length).includes('0') ? other : { ...field, bits: length }
}

function comparison(how: number, value: Buffer): Test {
  const [EQ, NEQ, LT, LTE, GT] = [0, 1, 2, 3, 4]
  if (how === EQ || how === NEQ) return { kind: 'among', values: [value], not: how === NEQ }
  const below = how === LT || how === LTE
  const edge = value.length === 2 ? value.readUInt16BE() + (how === LT ? -1 : how === GT ? 1 : 0) : 0
  const [low, high] = [Buffer.alloc(2), Buffer.alloc(2)]
  low.writeUInt16BE(below ? 0 : edge)
  high.writeUInt16BE(below ? edge : 65535)
  return { kind: 'within', spans: [{ low, high }], not: false }
}

const NFT_REG_VERDICT = 0
const LOOKUP_INVERTED = 1

function lookup(state: State, parts: Parts, readSet: ReadSet): void {
  const elements = readSet(textOf(parts.get(1)))
  const not = (number(parts, 5) & LOOKUP_INVERTED) !== 0
  if (!parts.has(3) || number(parts, 3) !== NFT_REG_VERDICT) {
    test(state, register(parts, 2), testOf(elements, not))
    if (parts.has(3)) state.registers.set(register(parts, 3), other)
    return
  }
  const field = state.registers.get(register(parts, 2)) ?? other
  for (const [chain, leading] of Map.groupBy(elements, (element) => element.chain)) {
    if (chain === undefined) continue
    state.outcomes.push({ kind: 'jump', match: narrow(state.match, field, testOf(leading, false)), chain })
  }
}

function testOf(elements: readonly SetElement[], not: boolean): Test {
  return elements.every(({ low, high }) => low.equals(high))
    ? { kind: 'among', values: elements.map(({ low }) => low), not }
    : { kind: 'within', spans: elements, not }
}

function immediate(state: State, parts: Parts): void {
  if (number(parts, 1) !== NFT_REG_VERDICT) {
    state.registers.set(register(parts, 1), { kind: 'value', bytes: data(parts, 2) })
    return
  }
  const chain = chainOf(nested(parts, 2))
  const { match } = state
  state.outcomes.push(chain === undefined ? { kind: 'leave', match } : { kind: 'jump', match, chain })
}

/** Where a verdict leads; undefined when it ends the chain. */
export function chainOf(verdictParts: Parts): string | undefined {
  const name = nested(verdictParts, 2).get(2)
  return name && textOf(name)
}

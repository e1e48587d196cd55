/**
 * What a chain of another program does with forwarded packets that no condition of it concerns, and which connections it
 * accepts by their mark or as translated. Rules are followed through jumps without a condition. Source:
 * include/uapi/linux/netfilter/nf_tables.h, xt_connmark.h and xt_conntrack.h.
 */
import type { Admission } from '../model/foreign.ts'
import type { Netlink } from './netlink.ts'
import { attributes, eachAttribute, textOf } from './nfnetlink.ts'
import { data, nested, number, type Parts, register } from './others/expressions.ts'
import { readRules } from './ruleset.ts'

export interface Place {
  /** As netlink numbers it. */
  readonly family: number
  readonly table: string
  readonly name: string
}

type End = 'drops' | 'accepts' | 'goes on'

interface ForwardVerdict {
  readonly end: End
  readonly admits: readonly Admission[]
}

/** A condition that is not known here is kept as that. */
type Condition = Admission | 'other'
type Outcome = End | 'returns' | { readonly jump: string; readonly back: boolean }

interface Ruling {
  readonly conditions: readonly Condition[]
  readonly outcome: Outcome
}

/** As the kernel allows jumps (NFT_JUMP_STACK_SIZE). */
const deepest = 16

export function readForwardVerdict(netlink: Netlink, place: Place): ForwardVerdict {
  const admits: Admission[] = []
  const walk = (name: string, depth: number): End => {
    for (const { expressions } of readRules(netlink, place.family, place.table, name)) {
      const { conditions, outcome } = rulingOf(expressions)
      const [only] = conditions
      if (outcome === 'accepts' && conditions.length === 1 && only && only !== 'other') admits.push(only)
      if (conditions.length > 0 || outcome === 'goes on') continue
      if (outcome === 'returns') return 'goes on'
      if (typeof outcome === 'string') return outcome
      const end = depth < deepest ? walk(outcome.jump, depth + 1) : 'goes on'
      if (end !== 'goes on' || !outcome.back) return end
    }
    return 'goes on'
  }
  return { end: walk(place.name, 0), admits }
}

interface State {
  readonly registers: Map<number, { readonly field: 'mark' | 'status'; readonly mask: number }>
  readonly conditions: Condition[]
  outcome: Outcome
}

const everyBit = 0xffffffff
const LIST_ELEMENT = 1

function rulingOf(expressions: Buffer): Ruling {
  const state: State = { registers: new Map(), conditions: [], outcome: 'goes on' }
  for (const [type, bytes] of eachAttribute(expressions)) {
    if (type !== LIST_ELEMENT) continue
    const parts = attributes(bytes)
    const read = readers[textOf(parts.get(1))] ?? unknown
    read(state, nested(parts, 2))
  }
  return state
}

type Reader = (state: State, parts: Parts) => void
const unknown: Reader = ({ conditions }) => void conditions.push('other')
const nothing: Reader = () => {}
/** Loads what `cmp` or `lookup` then compares. */
const loads: Reader = ({ registers }, parts) => void registers.delete(register(parts, 1))
/** enum nft_ct_keys */
const ctFields: Readonly<Record<number, 'mark' | 'status'>> = { 2: 'status', 3: 'mark' }
const IPS_DST_NAT = 1 << 5

const readers: Readonly<Record<string, Reader>> = {
  counter: nothing,
  log: nothing,
  meta: loads,
  payload: loads,
  ct: ({ registers }, parts) => {
    const field = ctFields[number(parts, 2)]
    if (field) registers.set(register(parts, 1), { field, mask: everyBit })
    else registers.delete(register(parts, 1))
  },
  bitwise: ({ registers }, parts) => {
    const loaded = registers.get(register(parts, 1))
    const [mask, xor] = [data(parts, 4), data(parts, 5)]
    if (loaded && mask.length === 4 && xor.every((byte) => byte === 0)) {
      registers.set(register(parts, 2), { ...loaded, mask: mask.readUInt32LE() })
    } else registers.delete(register(parts, 2))
  },
  cmp: ({ registers, conditions }, parts) => {
    const loaded = registers.get(register(parts, 1))
    const value = data(parts, 3)
    const compared = value.length === 4 ? value.readUInt32LE() : 0
    conditions.push(loaded ? conditionOf(loaded, number(parts, 2), compared) : 'other')
  },
  match: ({ conditions }, parts) => {
    const condition = matchOf(textOf(parts.get(1)), parts.get(3) ?? Buffer.alloc(0))
    if (condition) conditions.push(condition)
  },
  reject: (state) => {
    state.outcome = 'drops'
  },
  target: (state, parts) => {
    if (textOf(parts.get(1)) === 'REJECT') state.outcome = 'drops'
  },
  immediate: (state, parts) => {
    state.outcome = number(parts, 1) === 0 ? outcomeOf(nested(nested(parts, 2), 2)) : state.outcome
  },
}

function conditionOf(
  { field, mask }: { field: 'mark' | 'status'; mask: number },
  how: number,
  value: number,
): Condition {
  const [EQ, NEQ] = [0, 1]
  if (field === 'mark') return how === EQ ? { kind: 'mark', mark: { value, mask } } : 'other'
  const translated = mask === IPS_DST_NAT && (how === NEQ ? value === 0 : how === EQ && value === IPS_DST_NAT)
  return translated ? { kind: 'forwarded' } : 'other'
}

/** A match of iptables; undefined where it asks for nothing. */
function matchOf(name: string, info: Buffer): Condition | undefined {
  if (name === 'comment') return undefined
  if (name === 'connmark') {
    const [value, mask, inverted] = [info.readUInt32LE(0), info.readUInt32LE(4), info.readUInt8(8)]
    return inverted ? 'other' : { kind: 'mark', mark: { value, mask } }
  }
  return name === 'conntrack' && info.length >= 154 && takesTranslated(info) ? { kind: 'forwarded' } : 'other'
}

/** struct xt_conntrack_mtinfo2 and 3: nothing but states is asked for, and DNAT is among them. */
function takesTranslated(info: Buffer): boolean {
  const [STATE, STATE_ALIAS, STATE_DNAT] = [1, 1 << 13, 1 << 7]
  const [asked, inverted, states] = [info.readUInt16LE(146), info.readUInt16LE(148), info.readUInt16LE(150)]
  return (asked & ~STATE_ALIAS) === STATE && (inverted & STATE) === 0 && (states & STATE_DNAT) !== 0
}

/** enum nft_verdicts and nf_tables' own, which are negative. */
function outcomeOf(verdict: Parts): Outcome {
  const code = verdict.get(1)?.readInt32BE() ?? -1
  const [DROP, ACCEPT, JUMP, GOTO, RETURN] = [0, 1, -3, -4, -5]
  if (code === DROP) return 'drops'
  if (code === ACCEPT) return 'accepts'
  if (code === RETURN) return 'returns'
  const jump = textOf(verdict.get(2))
  return code === JUMP || code === GOTO ? { jump, back: code === JUMP } : 'goes on'
}

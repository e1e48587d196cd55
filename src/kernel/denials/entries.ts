/** Elements and rules of other programs as the addresses that they deny. Source: uapi/linux/netfilter/nf_tables.h. */
import type { Family, Prefix } from '../../model/address.ts'
import { decodeFields } from '../fields.ts'
import { attributes, eachAttribute, textOf } from '../nfnetlink.ts'
import { type Raw, spansOf } from '../others/sets.ts'
import type { Entry } from './places.ts'

/** Elements of a set whose key is an address; of others there are none. */
export function entriesOf(raw: readonly Raw[]): readonly Entry[] {
  return spansOf(raw).flatMap(({ low, high, lasts }) => {
    const family = low.length === 4 ? 4 : low.length === 16 ? 6 : undefined
    if (!family) return []
    const first = textAt(family, low)
    if (low.equals(high))
      return [{ id: first, prefixes: [{ family, text: first, length: low.length * 8 }], lasts }]
    return [{ id: `${first}-${textAt(family, high)}`, prefixes: prefixesBetween(family, low, high), lasts }]
  })
}

function textAt(family: Family, bytes: Buffer): string {
  return decodeFields([family === 4 ? 'ipv4_addr' : 'ipv6_addr'], bytes)
}

/** The networks that are the addresses from `low` to `high`, both included. */
function prefixesBetween(family: Family, low: Buffer, high: Buffer): readonly Prefix[] {
  const bits = low.length * 8
  const last = BigInt(`0x${high.toString('hex')}`)
  const found: Prefix[] = []
  for (let at = BigInt(`0x${low.toString('hex')}`); at <= last; ) {
    let host = 0
    const fits = (size: bigint) => at % size === 0n && at + size - 1n <= last
    while (host < bits && fits(1n << BigInt(host + 1))) host += 1
    const bytes = Buffer.from(at.toString(16).padStart(bits / 4, '0'), 'hex')
    found.push({ family, text: textAt(family, bytes), length: bits - host })
    at += 1n << BigInt(host)
  }
  return found
}

interface State {
  /** What the register holds that is compared next. */
  loaded: 'source' | 'family' | 'other'
  family: Family
  bits: number
  prefix: Prefix | undefined
  denies: boolean
  /** There is a condition beside the source address. */
  more: boolean
}

type Reader = (state: State, parts: ReadonlyMap<number, Buffer>) => void

const LIST_ELEMENT = 1
const NETWORK = 1
const NFPROTO = 15
const NFT_CMP_EQ = 0
const NFT_REG_VERDICT = 0
const NF_DROP = 0
const number = (parts: ReadonlyMap<number, Buffer>, type: number) => parts.get(type)?.readUInt32BE() ?? 0
const nested = (parts: ReadonlyMap<number, Buffer>, type: number) =>
  attributes(parts.get(type) ?? Buffer.alloc(0))

/** Whom a rule denies, if it denies a source address and asks for nothing else. `expressions` is its attribute. */
export function deniedBy(expressions: Buffer): Prefix | undefined {
  const state: State = { loaded: 'other', family: 4, bits: 0, prefix: undefined, denies: false, more: false }
  for (const [type, bytes] of eachAttribute(expressions)) {
    if (type !== LIST_ELEMENT) continue
    const parts = attributes(bytes)
    const read = readers[textOf(parts.get(1))]
    if (read) read(state, nested(parts, 2))
    else state.more = true
  }
  return state.denies && !state.more ? state.prefix : undefined
}

const nothing: Reader = () => {}
const denies: Reader = (state) => {
  state.denies = true
}

const readers: Readonly<Record<string, Reader>> = {
  counter: nothing,
  log: nothing,
  reject: denies,
  payload: (state, parts) => {
    const [base, offset, length] = [number(parts, 2), number(parts, 3), number(parts, 4)]
    const four = offset === 12 && length <= 4
    const six = offset === 8 && length <= 16
    state.loaded = base === NETWORK && (four || six) ? 'source' : 'other'
    state.family = four ? 4 : 6
    // `-s 198.51.100.0/24` loads the three bytes that it compares.
    state.bits = length * 8
  },
  meta: (state, parts) => {
    state.loaded = number(parts, 2) === NFPROTO ? 'family' : 'other'
  },
  bitwise: (state, parts) => {
    const mask = nested(parts, 4).get(1) ?? Buffer.alloc(0)
    const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('')
    state.bits = bits.lastIndexOf('1') + 1
    if (bits.slice(0, state.bits).includes('0')) state.loaded = 'other'
  },
  cmp: (state, parts) => {
    const value = nested(parts, 3).get(1) ?? Buffer.alloc(0)
    const { family, bits, loaded } = state
    if (loaded === 'family') return
    if (loaded === 'other' || number(parts, 2) !== NFT_CMP_EQ) {
      state.more = true
      return
    }
    const bytes = Buffer.alloc(family === 4 ? 4 : 16)
    value.copy(bytes)
    state.prefix = { family, text: textAt(family, bytes), length: bits }
  },
  immediate: (state, parts) => {
    const verdict = attributes(nested(parts, 2).get(2) ?? Buffer.alloc(0))
    state.denies = number(parts, 1) === NFT_REG_VERDICT && number(verdict, 1) === NF_DROP
  },
  match: (state, parts) => {
    state.more ||= textOf(parts.get(1)) !== 'comment'
  },
  target: (state, parts) => {
    state.denies = ['REJECT', 'DROP', 'TARPIT'].includes(textOf(parts.get(1)))
  },
}

/** What a condition of a rule leaves of packets. */
import { type Box, type Dimension, dimensions, meetBox, withoutBox } from './box.ts'
import type { Circumstances, Packets } from './packet.ts'
import { everyOf, joined, meet, type Range, type Ranges, without } from './ranges.ts'
import type { Asked, Row, Span, Step } from './rules.ts'

/** Which part of a box meets a row; `sure`: nothing else is asked. */
interface Part {
  readonly box: Partial<Box>
  readonly sure: boolean
}

interface Split {
  readonly inside: readonly Packets[]
  readonly outside: readonly Packets[]
  /** Whether those inside meet the condition for certain. */
  readonly sure: boolean
}

/** What a test leaves: one part, so that those of a rule can be taken together, or more. */
export type Narrowing =
  | { readonly kind: 'part'; readonly box: Partial<Box>; readonly sure: boolean }
  | {
      readonly kind: 'parts'
      readonly parts: readonly Partial<Box>[]
      readonly not: boolean
      readonly sure: boolean
    }

export function narrowingOf(
  { asked, rows, not }: Step & { kind: 'test' },
  circumstances: Circumstances,
): Narrowing {
  const parts = partsOf(asked, rows, circumstances)
  const sure = parts.every((part) => part.sure)
  const [only] = parts
  if (not && !sure) return { kind: 'part', box: {}, sure }
  if (!not && only && parts.length === 1) return { kind: 'part', box: only.box, sure }
  const inverted = not ? complementOf(parts, circumstances) : undefined
  if (inverted) return { kind: 'part', box: inverted, sure }
  return { kind: 'parts', parts: parts.map(({ box }) => box), not, sure }
}

/** Undefined when it is not one box. */
function complementOf(parts: readonly Part[], { family }: Circumstances): Partial<Box> | undefined {
  const [only] = parts
  if (!only) return {}
  const [name, ...more] = Object.keys(only.box) as Dimension[]
  if (!name || more.length > 0 || parts.length > 1) return undefined
  const bits = name === 'port' || name === 'sourcePort' ? 16 : family === 4 ? 32 : 128
  const rest = without(everyOf(bits), only.box[name] ?? [])
  return rest.length === 0 ? undefined : { [name]: rest }
}

/** Undefined when no packet is in both. */
export function together(a: Partial<Box>, b: Partial<Box>): Partial<Box> | undefined {
  const found: Partial<Record<Dimension, Ranges>> = { ...a }
  for (const name of Object.keys(b) as Dimension[]) {
    const [one, other] = [a[name], b[name] ?? []]
    const both = one ? meet(one, other) : other
    if (both.length === 0) return undefined
    found[name] = both
  }
  return found
}

export function splitByRow(
  packets: readonly Packets[],
  asked: readonly Asked[],
  row: Row,
  circumstances: Circumstances,
): Split {
  const part = partOf(asked, row, circumstances)
  return { ...splitBy(packets, part ? [part.box] : [], circumstances), sure: part?.sure ?? true }
}

export function splitBy(
  packets: readonly Packets[],
  parts: readonly Partial<Box>[],
  { budget }: Circumstances,
): Omit<Split, 'sure'> {
  let outside = packets
  const inside: Packets[] = []
  for (const box of parts) {
    // Whoever walks the rules sees that it is spent, and takes what is left for not read.
    if (budget.left <= 0) break
    // A long list of sources takes its time too.
    for (const one of outside) budget.left -= 1 + (one.box.source.length >> 4)
    const whole = Object.keys(box).length === 0
    const rest: Packets[] = []
    for (const one of outside) {
      const met = whole ? one.box : meetBox(one.box, box)
      if (met) inside.push({ ...one, box: met })
      if (!met) rest.push(one)
      else if (!whole) rest.push(...withoutBox(one.box, box).map((left) => ({ ...one, box: left })))
    }
    outside = rest
  }
  return { inside, outside }
}

/** Rows of a single field are one set of numbers, however many they are. */
function partsOf(asked: readonly Asked[], rows: readonly Row[], circumstances: Circumstances): Part[] {
  const [only] = asked
  const parts = rows.flatMap((row) => partOf(asked, row, circumstances) ?? [])
  const dimension = asked.length === 1 && only && dimensionOf(only)
  if (!dimension || parts.some(({ sure }) => !sure)) return parts
  const ranges = joined(parts.flatMap(({ box }) => box[dimension] ?? []))
  return ranges.length > 0 ? [{ box: { [dimension]: ranges }, sure: true }] : []
}

/** Undefined when no packet can meet it. */
function partOf(asked: readonly Asked[], row: Row, circumstances: Circumstances): Part | undefined {
  const box: Partial<Record<Dimension, Ranges>> = {}
  let sure = true
  for (const [at, one] of asked.entries()) {
    const span = row[at]
    if (!span) return undefined
    const dimension = dimensionOf(one)
    if (one.field === 'returns' || one.field === 'routed') {
      const sources = sourcesThat(one.field, span, circumstances)
      if (sources) box.source = box.source ? meet(box.source, sources) : sources
      else sure = false
      continue
    }
    // Protocols without ports have other things there.
    if (isPort(dimension) && circumstances.protocol !== 'tcp' && circumstances.protocol !== 'udp') {
      sure = false
      continue
    }
    if (!dimension) {
      const passes = passesConstant(one, span, circumstances)
      if (passes === false) return undefined
      sure &&= passes === true
      continue
    }
    if (!isOfFamily(one, dimension, circumstances)) return undefined
    const range = rangeOf(one, span)
    if (!range) {
      sure = false
      continue
    }
    const before = box[dimension]
    box[dimension] = before ? meet(before, [range]) : [range]
  }
  return { box, sure }
}

const isPort = (name: Dimension | undefined) => name === 'port' || name === 'sourcePort'

/** 0: an answer to them would not leave so; undefined where that is not known. */
function sourcesThat(
  field: 'returns' | 'routed',
  [first, last]: Span,
  { family, returns }: Circumstances,
): Ranges | undefined {
  const [one, known] = [numberOf(first), returns[field]]
  if (!known || one !== numberOf(last) || one > 1n) return undefined
  return one === 1n ? known : without(everyOf(family === 4 ? 32 : 128), known)
}

function dimensionOf({ field }: Asked): Dimension | undefined {
  return dimensions.find((name) => name === field)
}

function isOfFamily({ bits }: Asked, dimension: Dimension, { family }: Circumstances): boolean {
  if (dimension !== 'source' && dimension !== 'address') return true
  return bits === (family === 4 ? 32 : 128)
}

const numberOf = (hex: string) => BigInt(`0x${hex || '0'}`)

/** Undefined where nothing is known. */
function passesConstant({ field, mask }: Asked, [first, last]: Span, { known }: Circumstances) {
  const value = known[field]
  if (value === undefined) return undefined
  const masked = mask === null ? value : value & numberOf(mask)
  return numberOf(first) <= masked && masked <= numberOf(last)
}

/** Of a masked field only a prefix makes a range. */
function rangeOf({ bits, mask }: Asked, [low, high]: Span): Range | undefined {
  const [first, last] = [numberOf(low), numberOf(high)]
  if (mask === null) return { first, last }
  const free = ((1n << BigInt(bits)) - 1n) ^ numberOf(mask)
  if ((free & (free + 1n)) !== 0n) return undefined
  return { first, last: last | free }
}

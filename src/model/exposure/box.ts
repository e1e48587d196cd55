/** First packets from outside, as a box: each field of its own is a set of numbers. */
import { joined, meet, type Ranges, without } from './ranges.ts'

/** The fields that an outsider chooses, or that tell what it asks for. */
export const dimensions = ['port', 'address', 'source', 'sourcePort'] as const

export type Dimension = (typeof dimensions)[number]

export type Box = Readonly<Record<Dimension, Ranges>>

/** Quickly, where the first and the last numbers of a field tell already. */
function areApart(a: Box, b: Partial<Box>): boolean {
  for (const name of dimensions) {
    const [one, other] = [a[name], b[name]]
    if (!other) continue
    const [first, last] = [one[0], one[one.length - 1]]
    const [low, high] = [other[0], other[other.length - 1]]
    if (!first || !last || !low || !high || last.last < low.first || high.last < first.first) return true
  }
  return false
}

/** Undefined when no packet is in both. */
export function meetBox(a: Box, b: Partial<Box>): Box | undefined {
  if (areApart(a, b)) return undefined
  const found: Record<Dimension, Ranges> = { ...a }
  for (const name of dimensions) {
    const other = b[name]
    if (!other) continue
    found[name] = meet(a[name], other)
    if (found[name].length === 0) return undefined
  }
  return found
}

/** The rest of `a`, as disjoint boxes. */
export function withoutBox(a: Box, b: Partial<Box>): readonly Box[] {
  if (areApart(a, b)) return [a]
  const rest: Box[] = []
  let left = a
  for (const name of dimensions) {
    const other = b[name]
    if (!other) continue
    const outside = without(left[name], other)
    if (outside.length > 0) rest.push({ ...left, [name]: outside })
    const inside = meet(left[name], other)
    if (inside.length === 0) return rest
    left = { ...left, [name]: inside }
  }
  return rest
}

export function withoutBoxes(a: readonly Box[], taken: readonly Partial<Box>[]): readonly Box[] {
  return taken.reduce<readonly Box[]>(
    (left, one) =>
      left.every((box) => areApart(box, one)) ? left : left.flatMap((box) => withoutBox(box, one)),
    a,
  )
}

/** The same packets in fewer boxes: those that differ in one field are one. The boxes must not overlap. */
export function coalesced(boxes: readonly Box[]): readonly Box[] {
  let left = boxes
  for (let before = Number.POSITIVE_INFINITY; left.length < before; ) {
    before = left.length
    for (const name of dimensions) left = joinedBy(left, name)
  }
  return left
}

function joinedBy(boxes: readonly Box[], name: Dimension): readonly Box[] {
  if (boxes.length < 2) return boxes
  const others = dimensions.filter((one) => one !== name)
  const groups = Map.groupBy(boxes, (box) => others.map((one) => keyOf(box[one])).join(' '))
  return [...groups.values()].map((some) =>
    some.length === 1
      ? (some[0] as Box)
      : { ...(some[0] as Box), [name]: joined(some.flatMap((box) => box[name])) },
  )
}

const keyOf = (ranges: Ranges) => ranges.map(({ first, last }) => `${first}-${last}`).join()

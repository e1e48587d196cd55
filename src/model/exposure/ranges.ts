/** Sets of numbers as sorted, disjoint ranges: ports and addresses alike, both ends included. */

export interface Range {
  readonly first: bigint
  readonly last: bigint
}

export type Ranges = readonly Range[]

export function meet(a: Ranges, b: Ranges): Ranges {
  const found: Range[] = []
  for (let [i, j] = [0, 0]; ; ) {
    const [one, other] = [a[i], b[j]]
    if (!one || !other) return found
    const later = one.first < other.first ? other : one
    const sooner = one.last < other.last ? one : other
    if (later.first <= sooner.last) found.push({ first: later.first, last: sooner.last })
    if (one.last < other.last) i += 1
    else j += 1
  }
}

/** What is in `a` and not in `b`. */
export function without(a: Ranges, b: Ranges): Ranges {
  const left: Range[] = []
  let j = 0
  for (const { first, last } of a) {
    let at = first
    for (; j < b.length && (b[j] as Range).last < first; ) j += 1
    for (let k = j; k < b.length && at <= last; k += 1) {
      const hole = b[k] as Range
      if (hole.first > last) break
      if (hole.first > at) left.push({ first: at, last: hole.first - 1n })
      if (hole.last >= at) at = hole.last + 1n
    }
    if (at <= last) left.push({ first: at, last })
  }
  return left
}

/** Sorted and joined, whatever they were. */
export function joined(ranges: Iterable<Range>): Ranges {
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
  const found: Range[] = []
  for (const range of sorted) {
    const before = found.at(-1)
    if (!before || before.last + 1n < range.first) found.push(range)
    else if (range.last > before.last) found[found.length - 1] = { first: before.first, last: range.last }
  }
  return found
}

/** All numbers of so many bits. */
export function everyOf(bits: number): Ranges {
  return [{ first: 0n, last: (1n << BigInt(bits)) - 1n }]
}

export function isAll(ranges: Ranges, bits: number): boolean {
  const [only] = ranges
  return ranges.length === 1 && only?.first === 0n && only.last === (1n << BigInt(bits)) - 1n
}

/** Sets of numbers, and boxes of packets made of them. */
import { expect, test } from 'vitest'
import { type Box, coalesced, withoutBoxes } from '../../src/model/exposure/box.ts'
import { joined, meet, type Ranges, without } from '../../src/model/exposure/ranges.ts'
import { sourceWords } from '../../src/model/exposure/words.ts'

const ranges = (...pairs: readonly (readonly [number, number])[]): Ranges =>
  pairs.map(([first, last]) => ({ first: BigInt(first), last: BigInt(last) }))

test('sets of numbers: what both have, what one lacks, and neighbours as one', () => {
  expect(meet(ranges([1, 5], [10, 20]), ranges([4, 11], [20, 30]))).toEqual(
    ranges([4, 5], [10, 11], [20, 20]),
  )
  expect(without(ranges([1, 5], [10, 20]), ranges([0, 1], [4, 12], [19, 19]))).toEqual(
    ranges([2, 3], [13, 18], [20, 20]),
  )
  expect(without(ranges([1, 5]), [])).toEqual(ranges([1, 5]))
  expect(joined(ranges([5, 6], [1, 2], [3, 3], [6, 9]))).toEqual(ranges([1, 3], [5, 9]))
})

const box = (port: Ranges, source: Ranges): Box => ({
  port,
  source,
  address: ranges([1, 1]),
  sourcePort: ranges([0, 65535]),
})

test('a hole in a box leaves boxes that make one again with it', () => {
  const whole = box(ranges([1, 100]), ranges([0, 9]))
  const hole = box(ranges([20, 30]), ranges([3, 4]))
  const rest = withoutBoxes([whole], [hole])
  expect(rest).toEqual([
    box(ranges([1, 19], [31, 100]), ranges([0, 9])),
    box(ranges([20, 30]), ranges([0, 2], [5, 9])),
  ])
  expect(coalesced([...rest, hole])).toEqual([whole])
})

test('sources are told by the shorter of what they are and what they are not', () => {
  const all = { first: 0n, last: 0xffffffffn }
  const words = (source: Ranges) => sourceWords({ source, sourcePort: ranges([0, 65535]) }, 4)
  expect(words([all])).toBe('anywhere')
  expect(words(ranges([0x0a000000, 0x0affffff]))).toBe('10.0.0.0/8')
  expect(words(without([all], ranges([0xcb007101, 0xcb007101])))).toBe('anywhere but 203.0.113.1')
  const many = ranges(...Array.from({ length: 50 }, (_, at) => [at * 2, at * 2] as const))
  expect(words(many)).toBe(
    '0.0.0.0, 0.0.0.2, 0.0.0.4, 0.0.0.6, 0.0.0.8, 0.0.0.10, 0.0.0.12, 0.0.0.14 and 42 more',
  )
})

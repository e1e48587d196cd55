/** Which endpoint is in which slot of a pool. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Candidate, slotsOf } from '../../src/compile/slots.ts'

const candidates = (...weights: readonly number[]): Candidate[] =>
  weights.map((weight, at) => ({ key: `10.0.0.${at + 11}:80`, weight, taking: true }))

const without = (some: readonly Candidate[], ...gone: readonly number[]): Candidate[] =>
  some.map((one, at) => ({ ...one, taking: !gone.includes(at) }))

/** How many slots each has. */
function counted(slots: readonly number[], among: number): number[] {
  return Array.from({ length: among }, (_, at) => slots.filter((one) => one === at).length)
}

const weights = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 12 })

describe('at random and in turn', () => {
  test.each([
    [
      [1, 1, 1],
      [0, 1, 2],
    ],
    [
      [2, 1, 1],
      [0, 0, 1, 2],
    ],
    [
      [4, 2],
      [0, 0, 1],
    ],
    [[7], [0]],
  ])('weights %j are slots in lowest terms', (given, slots) => {
    expect(slotsOf('random', candidates(...given))).toEqual(slots)
  })

  test('the heavier one does not take its turns in a row', () => {
    expect(slotsOf('round-robin', candidates(5, 1, 1))).toEqual([0, 0, 1, 0, 2, 0, 0])
  })

  test('every share is the weight, to a slot of 1,024 where not exactly', () => {
    fc.assert(
      fc.property(weights, fc.constantFrom('random' as const, 'round-robin' as const), (given, balance) => {
        const slots = slotsOf(balance, candidates(...given))
        expect(slots.length <= 64 || slots.length === 1024).toBe(true)
        const total = given.reduce((sum, one) => sum + one, 0)
        for (const [at, count] of counted(slots, given.length).entries()) {
          const off = Math.abs(count / slots.length - (given[at] ?? 0) / total)
          if (slots.length <= 64) expect(off).toBeLessThan(1e-9)
          // One slot is the least: a weight of next to nothing may take it from the others.
          else expect(off).toBeLessThan(1.5 / 1024)
        }
      }),
    )
  })

  test('who takes nothing has none', () => {
    expect(slotsOf('random', without(candidates(2, 1, 1), 0))).toEqual([1, 2])
  })
})

describe('by client address', () => {
  test('every share is near the weight', () => {
    for (const given of [
      [1, 1, 1],
      [1, 1, 1, 1, 1, 1, 1],
      [2, 1, 1],
      [1, 9],
    ]) {
      const slots = slotsOf('source', candidates(...given))
      expect(slots).toHaveLength(251)
      const total = given.reduce((sum, one) => sum + one, 0)
      for (const [at, count] of counted(slots, given.length).entries())
        expect(Math.abs(count / 251 - (given[at] ?? 0) / total)).toBeLessThan(0.02)
    }
    expect(slotsOf('source', candidates(...Array<number>(60).fill(1)))).toHaveLength(1021)
  })

  test('when one leaves, the slots of the others stay; when it returns, all is as before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(), (count, seed) => {
        const all = candidates(...Array<number>(count).fill(1))
        const gone = seed % count
        const before = slotsOf('source', all)
        const after = slotsOf('source', without(all, gone))
        for (const [slot, owner] of before.entries()) {
          if (owner !== gone) expect(after[slot]).toBe(owner)
          else expect(after[slot]).not.toBe(gone)
        }
        expect(slotsOf('source', all)).toEqual(before)
      }),
    )
  })

  test('when a second one leaves, hardly any heir of the first changes', () => {
    const all = candidates(...Array<number>(8).fill(1))
    const [one, two] = [slotsOf('source', without(all, 3)), slotsOf('source', without(all, 3, 5))]
    for (const [slot, owner] of one.entries()) if (owner !== 5) expect(two[slot]).toBe(owner)
  })

  test('one that is added takes its share and moves few others', () => {
    for (let count = 2; count <= 12; count += 1) {
      const before = slotsOf('source', candidates(...Array<number>(count).fill(1)))
      const after = slotsOf('source', candidates(...Array<number>(count + 1).fill(1)))
      const moved = before.filter((owner, slot) => after[slot] !== owner).length
      expect(moved / before.length, `${count} and one more`).toBeLessThan(1.2 / (count + 1) + 0.1)
    }
  })
})

/** What holds for the compilation of every gateway: it never fails, and the same gateway is the same bytes. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { differenceOf, hold, isNothing, printDifference } from '../../src/compile/difference.ts'
import type { Element } from '../../src/compile/element.ts'
import { layoutOf, meterName, type NamedSet, readSetName, setName } from '../../src/compile/sets.ts'
import { printSkeleton } from '../../src/compile/skeleton.ts'
import { gateways, holds } from '../model/arbitrary.ts'
import { compiled } from './compiled.ts'

const families = fc.subarray<4 | 6>([4, 6])

describe('a gateway', () => {
  test('compiles to the same bytes twice', () => {
    holds(
      fc.tuple(gateways, families),
      ([gateway, shield]) => {
        const [once, twice] = [compiled(gateway, shield), compiled(structuredClone(gateway), shield)]
        expect(printDifference({ remove: [], add: once.elements })).toBe(
          printDifference({ remove: [], add: twice.elements }),
        )
        expect(printSkeleton(once.skeleton)).toBe(printSkeleton(twice.skeleton))
      },
      200,
    )
  })

  test('has in its elements nothing but the alphabet of addresses, numbers and names', () => {
    holds(
      gateways,
      (gateway) => {
        const texts = compiled(gateway).elements.flatMap(({ set, key, data = '' }) => [set, key, data])
        expect(texts.filter((text) => !/^[0-9a-zA-Z:._" -]*$/.test(text))).toEqual([])
      },
      200,
    )
  })

  test('has each element once, in a set that the skeleton makes, with the fields of its layout', () => {
    holds(
      gateways,
      (gateway) => {
        const { elements, skeleton } = compiled(gateway)
        expect(elements.filter((element) => !isLaidOut(element))).toEqual([])
        expect(new Set(elements.map(({ set, key }) => `${set} ${key}`)).size).toBe(elements.length)
        expect(elements.filter(({ set }) => !skeleton.sets.includes(set))).toEqual([])
      },
      200,
    )
  })
})

function isLaidOut({ set, key, data }: Element): boolean {
  const layout = layoutOf(set)
  const fields = (text: string | undefined) => text?.split(' . ').length
  return fields(key) === layout.key.length && fields(data) === layout.data?.length && !layout.dynamic
}

describe('a difference', () => {
  test('applied to what is present gives what is desired, and touches nothing else', () => {
    holds(
      fc.tuple(gateways, gateways),
      ([before, after]) => {
        const present = hold(compiled(before).elements)
        const desired = hold(compiled(after).elements)
        const { remove, add } = differenceOf(present, desired)
        const notThere = remove.filter(({ set, key }) => !present.get(set)?.delete(key))
        const thereAlready = add.filter(({ set, key }) => present.get(set)?.has(key))
        expect([...notThere, ...thereAlready]).toEqual([])
        for (const { set, key, data } of add) {
          present.set(set, (present.get(set) ?? new Map()).set(key, data ?? ''))
        }
        expect(withoutEmpty(present)).toEqual(withoutEmpty(desired))
        expect(isNothing(differenceOf(present, desired))).toBe(true)
      },
      200,
    )
  })
})

function withoutEmpty<T>(held: ReadonlyMap<string, ReadonlyMap<string, T>>) {
  return new Map([...held].filter(([, elements]) => elements.size > 0))
}

const namedSets: fc.Arbitrary<NamedSet> = fc.oneof(
  fc.record({
    kind: fc.constant('allowed' as const),
    family: fc.constantFrom<4 | 6>(4, 6),
    length: fc.integer({ min: 0, max: 128 }),
  }),
  fc.record({
    kind: fc.constant('rate' as const),
    count: fc.integer({ min: 1 }),
    per: fc.constantFrom('second' as const, 'minute' as const, 'hour' as const),
  }),
  fc.record({ kind: fc.constant('open' as const), count: fc.integer({ min: 1 }) }),
)

test('the name of a set made by need says all that the set is', () => {
  holds(namedSets, (set) => {
    expect(readSetName(setName(set))).toEqual(set)
    expect(layoutOf(setName(set)).key[0]).toBe('classid')
    if (set.kind !== 'allowed') expect(layoutOf(meterName(set, 6)).key).toEqual(['classid', 'ipv6_addr'])
  })
})

test.each(['', 'openings', 'allowed4', 'allowed5_24', 'rate_1_day', 'open_', 'open_1_by4', '__set0'])(
  '%j is no such name',
  (name) => {
    expect(readSetName(name)).toBeUndefined()
  },
)

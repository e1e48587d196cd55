/** What the elements of forwards have counted, by forward. */

import { forwardOfMember } from '../compile/delivery.ts'
import { type Element, numberOf } from '../compile/element.ts'
import { layoutOf, staticSets } from '../compile/sets.ts'
import type { Door } from '../kernel/door.ts'
import type { Holding } from './holding.ts'
import type { Counted } from './protocol.ts'
import type { Uncounted } from './uncounted.ts'

interface SetCount {
  readonly set: string
  readonly key: string
  readonly count: number
}

interface Counting {
  readonly door: Door
  readonly uncounted: Uncounted
}

/** Counts of the forwards with these numbers, or of all there are. */
export async function countForwards(
  { door, uncounted }: Counting,
  holding: Holding,
  numbers: readonly number[] | null,
): Promise<readonly Counted[]> {
  const elements = numbers && holding.elementsNumbered(new Set(numbers))
  const members = elements ? await countsOf(door, elements) : await allCounts(door)
  const totals = new Map<number, Omit<Counted, 'number'>>()
  for (const member of members) {
    const { set, key } = member
    const count = member.count - uncounted.of(member)
    const column = set === 'refused' || set === 'limited' ? set : 'connections'
    const numbered = numberOf(key.split(' . ')[0] ?? '')
    const number = set.startsWith('members') ? forwardOfMember(numbered) : numbered
    const row = totals.get(number) ?? { connections: 0, refused: 0, limited: 0 }
    totals.set(number, { ...row, [column]: row[column] + count })
  }
  return [...totals].flatMap(([number, row]) =>
    holding.behind(number).map((one) => ({ number: one, ...row })),
  )
}

async function countsOf(door: Door, elements: readonly Element[]): Promise<readonly SetCount[]> {
  const counting = elements.filter(({ set }) => layoutOf(set).counter)
  const counts = await door.countElements(counting)
  return counting.map(({ set, key }, index) => ({ set, key, count: counts[index] ?? 0 }))
}

async function allCounts(door: Door): Promise<readonly SetCount[]> {
  const sets = [...Object.keys(staticSets), 'own', 'proxied', 'members4', 'members6']
  const counts = await door.counts(sets.filter((set) => layoutOf(set).counter))
  return [...counts].flatMap(([set, members]) => [...members].map(([key, count]) => ({ set, key, count })))
}

/** The sources that a forward admits, as numbers. */
import type { Family, Prefix } from '../address.ts'
import type { List, Sources } from '../sources.ts'
import { everyOf, joined, type Ranges } from './ranges.ts'
import { bitsOf, rangeOfAddress } from './scene.ts'

export type Lists = ReadonlyMap<string, List>
export type Admitted = Readonly<Record<Family, Ranges>>

export function admittedBy(sources: Sources, lists: Lists): Admitted {
  if (sources === 'anywhere') return { 4: everyOf(bitsOf[4]), 6: everyOf(bitsOf[6]) }
  const prefixes = sources.flatMap((one) =>
    one.kind === 'prefix' ? [one.prefix] : (lists.get(one.name)?.prefixes ?? []),
  )
  const of = (family: Family) =>
    joined(prefixes.filter((one) => one.family === family).flatMap(rangeOfPrefix))
  return { 4: of(4), 6: of(6) }
}

export function rangeOfPrefix({ family, text, length }: Prefix): Ranges {
  return rangeOfAddress(text).map(({ first }) => ({
    first,
    last: first | ((1n << BigInt(bitsOf[family] - length)) - 1n),
  }))
}

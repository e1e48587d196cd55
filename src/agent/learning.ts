/** What is found out about targets while they are used. */
import { isDeepStrictEqual } from 'node:util'
import type { Located } from '../model/endpoints.ts'

export interface Learned {
  readonly whereabouts: Map<string, readonly Located[]>
  readonly down: Map<string, ReadonlySet<string>>
  readonly warming: Map<string, ReadonlyMap<string, number>>
}

/** Takes `news` over; a name without an address and a forward without a dead endpoint are forgotten. */
export function takeNews(
  learned: Learned,
  { whereabouts = new Map(), down = new Map(), warming = new Map() }: Partial<Learned>,
): void {
  takeAll(learned.whereabouts, whereabouts, (located) => located.length === 0)
  takeAll(learned.down, down, (endpoints) => endpoints.size === 0)
  takeAll(learned.warming, warming, (endpoints) => endpoints.size === 0)
}

/** Whether only the share of those that are back is another. */
export function isShareAlone({ whereabouts, down }: Partial<Learned>, before: Partial<Learned>): boolean {
  return !whereabouts && isDeepStrictEqual(down, before.down)
}

/** What is known now of all that `news` is about. */
export function recalled(
  learned: Learned,
  { whereabouts, down, warming }: Partial<Learned>,
): Partial<Learned> {
  return {
    ...(whereabouts && {
      whereabouts: new Map([...whereabouts.keys()].map((key) => [key, learned.whereabouts.get(key) ?? []])),
    }),
    ...(down && {
      down: new Map([...down.keys()].map((key) => [key, learned.down.get(key) ?? new Set<string>()])),
    }),
    ...(warming && {
      warming: new Map(
        [...warming.keys()].map((key) => [key, learned.warming.get(key) ?? new Map<string, number>()]),
      ),
    }),
  }
}

function takeAll<V>(
  into: Map<string, V>,
  from: ReadonlyMap<string, V>,
  isNothing: (value: V) => boolean,
): void {
  for (const [key, value] of from) {
    if (isNothing(value)) into.delete(key)
    else into.set(key, value)
  }
}

export function nothingLearned(): Learned {
  return { whereabouts: new Map(), down: new Map(), warming: new Map() }
}

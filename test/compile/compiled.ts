/** A whole gateway compiled, its forwards numbered from 1 in the order they stand. */
import type { Element } from '../../src/compile/element.ts'
import { bannedElement, elementsOf, neededSets } from '../../src/compile/elements.ts'
import { type Skeleton, skeletonOf } from '../../src/compile/skeleton.ts'
import type { Family } from '../../src/model/address.ts'
import { parsePrefix } from '../../src/model/address.ts'
import { type Known, nothingKnown } from '../../src/model/endpoints.ts'
import { defaultSettings, type Written } from '../../src/model/gateway.ts'

export interface Compiled {
  readonly elements: readonly Element[]
  readonly skeleton: Skeleton
}

export function compiled(
  { settings, lists, forwards }: Written,
  shield: readonly Family[] = [],
  bans: readonly string[] = [],
  learned: Partial<Known> = {},
): Compiled {
  const known = { ...nothingKnown, lists: new Map(lists.map((list) => [list.name, list])), ...learned }
  const on = forwards.filter(({ enabled }) => enabled)
  const needed = on.flatMap((forward) => neededSets(forward, known))
  const banned = bans.map((text) => bannedElement(parsePrefix('ban', text)))
  const sets = banned.map(({ set }) => set)
  const used = [...new Set([...needed, ...sets, ...(shield.length > 0 ? ['shielded'] : [])])].sort()
  return {
    elements: [
      ...forwards.flatMap((forward, index) => elementsOf({ number: index + 1, forward }, known)),
      ...shield.map((family) => ({ set: 'shielded', key: `ipv${family}` })),
      ...banned,
    ],
    skeleton: skeletonOf({ mark: settings.mark ?? defaultSettings.mark, used }),
  }
}

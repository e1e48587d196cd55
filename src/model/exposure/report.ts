/** Everything on this machine that the outside can reach, declared or not. */

import { type Declared, exposureOfForward, openingsOf } from './declared.ts'
import type { Exposure, Machine } from './exposure.ts'
import { viewsOf } from './scenes.ts'
import { undeclaredOf } from './undeclared.ts'

/** What could not be seen, in words. */
export interface Report {
  readonly exposures: readonly Exposure[]
  readonly warnings: readonly string[]
}

export function reportOf(machine: Machine, declared: Declared): Report {
  const views = viewsOf(machine, openingsOf(declared), declared.mark.value)
  const forwards = declared.forwards.map((forward) => exposureOfForward(forward, declared, views))
  const spent = views.some(({ scene }) => scene.budget.left <= 0)
  return {
    exposures: [...forwards, ...undeclaredOf(machine, views)],
    warnings: [
      ...(machine.filters.legacy ? [legacy] : []),
      ...(machine.filters.cutShort || spent ? [cutShort] : []),
    ],
  }
}

const legacy =
  'iptables-legacy has rules on this machine, which cannot be read: what they block is shown as open; see iptables-legacy -S'
const cutShort =
  'this machine has more rules than were followed: what the others block is shown as open and not read'

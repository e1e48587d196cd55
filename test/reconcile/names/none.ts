/** For who has no forward to a name. */
import type { Parts } from '../../../src/api/gateway.ts'

export const noNames: Parts['names'] = {
  all: () => [],
  views: () => [],
  whereabouts: () => new Map(),
  settle: () => Promise.resolve(),
}

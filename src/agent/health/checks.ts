/** Carries checks out on this machine, whose own addresses are none of their business. */
import { checkPlace } from '../../kernel/checks/check.ts'
import type { HostFacts } from '../../kernel/host.ts'
import type { Outcome } from '../../model/condition.ts'
import type { Subject } from './checking.ts'

/** The addresses of the machine are read again so often; a connection to one that is newer finds out by itself. */
const fresh = 1000

export function checker(
  readHost: () => Pick<HostFacts, 'addresses'>,
): (subject: Subject) => Promise<Outcome> {
  let ours: ReadonlySet<string> = new Set()
  let readAt = Number.NEGATIVE_INFINITY
  return async ({ address, port, health }) => {
    const now = performance.now()
    if (now - readAt > fresh) {
      ours = new Set(readHost().addresses)
      readAt = now
    }
    return checkPlace({ address, port, timeout: health.timeout }, health.check, ours)
  }
}

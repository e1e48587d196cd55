/** Undoes a change that is not confirmed in time, also one whose time ran out while nothing ran. */
import { reach } from '../faults.ts'
import { asKept } from '../model/register.ts'
import { undoing, withoutExpired } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from './runner.ts'

/** A store that cannot be written now, as on a full disk, is asked again. */
const retryAfter = 1000

/**
 * Undoes at once what is overdue, and goes on. The wait is the timer's, which no change of the wall clock can stretch;
 * after a start it is what the wall clock says is left, but never more than the whole window.
 */
export function startConfirmation(store: Store, clock: Clock): () => void {
  let cancel = () => {}
  let waitsFor = -1

  const arm = () => {
    const { pending } = store
    if (pending?.base === waitsFor) return
    cancel()
    waitsFor = pending?.base ?? -1
    if (!pending) return
    const left = Date.parse(pending.deadline) - clock.now()
    const wait = Math.min(Math.max(left, 0), pending.windowMilliseconds)
    if (wait === 0) revert()
    else cancel = clock.after(wait, revert)
  }

  const revert = () => {
    const { pending } = store
    if (!pending) return
    const at = new Date(clock.now()).toISOString()
    const change = withoutExpired(undoing(store.history(pending.base, Number.MAX_SAFE_INTEGER)), at)
    const note = `not confirmed: back to generation ${pending.base}`
    try {
      reach('revert-due')
      store.commit(change, { actor: 'drawbridge', how: 'revert', at, note }, asKept)
      reach('revert-kept')
    } catch {
      cancel = clock.after(retryAfter, revert)
    }
  }

  arm()
  store.onCommit(() => arm())
  return () => cancel()
}

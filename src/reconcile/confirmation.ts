/** Undoes a change that is not confirmed in time, also one whose time ran out while nothing ran. */
import { reach } from '../faults.ts'
import { Problem } from '../model/problem.ts'
import { asKept } from '../model/register.ts'
import { byItself, endingTrial, withoutExpired } from '../store/record.ts'
import type { Pending, Store } from '../store/store.ts'
import type { Clock, Timed } from './runner.ts'

/** A store that cannot be written now, as on a full disk, is asked again. */
const retryAfter = 1000
/** Timers stand still while the machine is suspended, so none is longer than this. */
const longestSleep = 1000

/**
 * Undoes at once what is overdue, and goes on. The window is measured by the uptime, which no change of the wall clock
 * stretches or shortens, also while nothing runs. A machine that was started anew meanwhile holds the last confirmed
 * state, from the boot file, and stays with it.
 */
export function startConfirmation(store: Store, clock: Clock): Timed {
  let problem: Problem | null = null
  let cancel = () => {}
  let waitsFor = -1
  let end = 0

  const arm = () => {
    const { pending } = store
    if (pending?.base === waitsFor) return
    cancel()
    waitsFor = pending?.base ?? -1
    if (!pending) return
    end = clock.uptime().milliseconds + leftOf(pending, clock)
    wait()
  }

  const wait = () => {
    const left = end - clock.uptime().milliseconds
    if (left <= 0) revert()
    else cancel = clock.after(Math.min(left, longestSleep), wait)
  }

  const revert = () => {
    const { pending } = store
    if (!pending) return
    const at = new Date(clock.now()).toISOString()
    const change = withoutExpired(endingTrial(store.history(pending.base, Number.MAX_SAFE_INTEGER)), at)
    const note = `not confirmed: back to generation ${pending.base}`
    try {
      reach('revert-due')
      store.commit(change, byItself('revert', at, note), asKept)
      reach('revert-kept')
      problem = null
    } catch (error) {
      problem = Problem.of('still-unconfirmed', { base: pending.base, why: (error as Error).message }, error)
      cancel = clock.after(retryAfter, revert)
    }
  }

  arm()
  store.onCommit(() => arm())
  return {
    get problem() {
      // Where it was confirmed at the last moment, nothing has to be undone any more.
      return store.pending && problem
    },
    stop: () => cancel(),
  }
}

function leftOf({ deadline, windowMilliseconds, began }: Pending, clock: Clock): number {
  const { boot, milliseconds } = clock.uptime()
  if (began) return began.boot === boot ? began.milliseconds + windowMilliseconds - milliseconds : 0
  return Math.min(Date.parse(deadline) - clock.now(), windowMilliseconds)
}

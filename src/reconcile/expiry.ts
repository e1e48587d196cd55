/**
 * Closes forwards at their time, by the wall clock, also those whose time came while nothing ran. A wall clock that is
 * set back meanwhile prolongs nothing: none stays longer than what was left of its time when it was first seen.
 */
import { reach } from '../faults.ts'
import { asKept, noChange } from '../model/register.ts'
import { byItself } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from './runner.ts'

/** Timers do not see the clock jump, and stand still while the machine is suspended, so none is longer than this. */
const longestSleep = 30_000

const retryAfter = 1000

/** An end by the wall clock, and by the uptime. */
interface End {
  readonly at: number
  readonly uptime: number
}

/** Closes what has expired at once, and goes on. Gives what stops it. */
export function startExpiry(store: Store, clock: Clock): () => void {
  const ends = new Map<string, End>()
  const uptime = () => clock.uptime().milliseconds
  let seen = -1
  let cancel = () => {}

  const learn = () => {
    const touched = seen < 0 ? undefined : store.since(seen)
    for (const name of touched?.forwards ?? store.register.forwards.keys()) {
      const expires = store.register.forwards.get(name)?.expires
      const at = expires ? Date.parse(expires) : undefined
      if (at === undefined) ends.delete(name)
      else if (ends.get(name)?.at !== at) ends.set(name, { at, uptime: uptime() + at - clock.now() })
    }
    seen = store.generation
  }

  const leftOf = ({ at, uptime: end }: End) => Math.min(at - clock.now(), end - uptime())

  const run = () => {
    cancel()
    learn()
    const over = [...ends].filter(([, end]) => leftOf(end) <= 0).map(([name]) => name)
    if (over.length > 0) return close(over)
    if (ends.size === 0) return
    const next = [...ends.values()].reduce((first, end) => Math.min(first, leftOf(end)), longestSleep)
    cancel = clock.after(next, run)
  }

  /** A commit calls `run` again. A store that cannot be written now is asked again a second later. */
  const close = (names: readonly string[]): void => {
    const origin = byItself('expiry', new Date(clock.now()).toISOString())
    try {
      reach('expiry-due')
      store.commit({ ...noChange, remove: names }, origin, asKept)
      reach('expiry-kept')
    } catch {
      cancel = clock.after(retryAfter, run)
    }
  }

  run()
  store.onCommit(() => run())
  return () => cancel()
}

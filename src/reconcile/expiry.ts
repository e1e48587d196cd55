/** Closes forwards at their time, by the wall clock, also those whose time came while nothing ran. */
import { reach } from '../faults.ts'
import { asKept, noChange } from '../model/register.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from './runner.ts'

/** Timers do not see the clock jump, so none is longer than this. */
const longestSleep = 30_000

const retryAfter = 1000

/** Closes what has expired at once, and goes on. Gives what stops it. */
export function startExpiry(store: Store, clock: Clock): () => void {
  const ends = new Map<string, number>()
  let seen = -1
  let cancel = () => {}

  const learn = () => {
    const touched = seen < 0 ? undefined : store.since(seen)
    for (const name of touched?.forwards ?? store.register.forwards.keys()) {
      const expires = store.register.forwards.get(name)?.expires
      if (expires) ends.set(name, Date.parse(expires))
      else ends.delete(name)
    }
    seen = store.generation
  }

  const run = () => {
    cancel()
    learn()
    const over = [...ends].filter(([, end]) => end <= clock.now()).map(([name]) => name)
    if (over.length > 0) return close(over)
    if (ends.size === 0) return
    const next = [...ends.values()].reduce((first, end) => Math.min(first, end)) - clock.now()
    cancel = clock.after(Math.max(0, Math.min(next, longestSleep)), run)
  }

  /** A commit calls `run` again. A store that cannot be written now is asked again a second later. */
  const close = (names: readonly string[]): void => {
    const origin = {
      actor: 'drawbridge',
      how: 'expiry',
      at: new Date(clock.now()).toISOString(),
      note: '',
    } as const
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

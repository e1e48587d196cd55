/**
 * Closes forwards at their time, by the wall clock, also those whose time came while nothing ran. A wall clock that is
 * set back meanwhile prolongs nothing: none stays longer than what was left of its time when it was first seen.
 */
import { reach } from '../faults.ts'
import { Problem } from '../model/problem.ts'
import { asKept, noChange } from '../model/register.ts'
import { byItself } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Timed } from './runner.ts'

/** Timers do not see the clock jump, and stand still while the machine is suspended, so none is longer than this. */
const longestSleep = 30_000

const retryAfter = 1000

/** An end by the wall clock, and by the uptime. */
interface End {
  readonly at: number
  readonly uptime: number
}

/** Closes what has expired at once, and goes on. A change costs what it touches, not what may expire. */
export function startExpiry(store: Store, clock: Clock): Timed {
  const ends = new Map<string, End>()
  let seen = -1
  let problem: Problem | null = null
  let cancel = () => {}
  /** When it looks again, by the uptime. */
  let wakes = Number.POSITIVE_INFINITY

  const leftNow = () => {
    const [now, uptime] = [clock.now(), clock.uptime().milliseconds]
    return ({ at, uptime: end }: End) => Math.min(at - now, end - uptime)
  }

  /** Notes the ends of what has changed; gives what is left of the first of them. */
  const learn = (): number => {
    const ahead = clock.uptime().milliseconds - clock.now()
    const leftOf = leftNow()
    let first = Number.POSITIVE_INFINITY
    const touched = seen < 0 ? undefined : store.since(seen)
    for (const name of touched?.forwards ?? store.register.forwards.keys()) {
      const expires = store.register.forwards.get(name)?.expires
      const at = expires ? Date.parse(expires) : undefined
      const known = ends.get(name)
      const end = at === undefined || known?.at === at ? known : { at, uptime: at + ahead }
      if (at === undefined || !end) ends.delete(name)
      else {
        ends.set(name, end)
        first = Math.min(first, leftOf(end))
      }
    }
    seen = store.generation
    return first
  }

  const sleep = (milliseconds: number) => {
    cancel()
    wakes = clock.uptime().milliseconds + milliseconds
    cancel = clock.after(milliseconds, run)
  }

  const rest = () => {
    cancel()
    wakes = Number.POSITIVE_INFINITY
  }

  const run = (): void => {
    learn()
    const leftOf = leftNow()
    const over: string[] = []
    let next = longestSleep
    for (const [name, end] of ends) {
      const left = leftOf(end)
      if (left <= 0) over.push(name)
      else next = Math.min(next, left)
    }
    if (over.length > 0 && !close(over)) sleep(retryAfter)
    else if (ends.size === 0) rest()
    else sleep(next)
  }

  /** A store that cannot be written now is asked again a second later. */
  const close = (names: readonly string[]): boolean => {
    const origin = byItself('expiry', new Date(clock.now()).toISOString())
    try {
      reach('expiry-due')
      store.commit({ ...noChange, remove: names }, origin, asKept)
      reach('expiry-kept')
      problem = null
      return true
    } catch (error) {
      problem = Problem.of('still-open', { why: (error as Error).message }, error)
      return false
    }
  }

  const changed = () => {
    const first = learn()
    if (first <= 0) run()
    else if (ends.size === 0) rest()
    else if (first < wakes - clock.uptime().milliseconds) sleep(Math.min(first, longestSleep))
  }

  run()
  store.onCommit(changed)
  return {
    get problem() {
      return problem
    },
    stop: () => cancel(),
  }
}

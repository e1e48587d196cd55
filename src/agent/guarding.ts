/** The rhythm of what nobody asked for: repairs after intrusions, and looks at the machine. */
import type { RepairBook } from './healing.ts'

const now = () => performance.now()

/**
 * Gives what to call for each intrusion. One repair waits at most: it makes good whatever comes before it begins, and
 * what comes later is another one.
 */
export function repairer<Culprit>(
  book: RepairBook,
  repair: (culprit: Culprit) => Promise<void>,
): (culprit: Culprit) => void {
  let waiting = false
  const repairSoon = (culprit: Culprit) => {
    if (waiting) return
    waiting = true
    setTimeout(() => {
      waiting = false
      repair(culprit).catch(() => repairSoon(culprit))
    }, book.pauseAt(now()))
  }
  return repairSoon
}

/** All in milliseconds, but for `share`: a look that took so long is followed by a rest of so many times that. */
export interface Rhythm {
  /** The shortest rest, and the longest. */
  readonly every: number
  readonly longest: number
  readonly share: number
  /** The look that comes without a word. */
  readonly anyway: number
}

/**
 * A machine may change all the time; a look costs a reading of the routes, of which there may be a million. A route by a
 * next hop of its own goes without a word (`ip nexthop del`).
 */
const machineRhythm: Rhythm = { every: 1000, share: 20, longest: Number.POSITIVE_INFINITY, anyway: 60_000 }

/**
 * Gives what to call when something has changed: the first look is at once, the next ones not too soon after. A look may
 * give the milliseconds within which there must be another.
 */
export function follower(
  look: () => Promise<number | undefined>,
  { every, longest, share, anyway }: Rhythm = machineRhythm,
): () => void {
  let timer: NodeJS.Timeout | undefined
  let looking = false
  let told = false
  let restedAt = 0
  const lookIn = (milliseconds: number) => {
    clearTimeout(timer)
    timer = setTimeout(run, milliseconds)
  }
  const run = async () => {
    looking = true
    told = false
    const began = now()
    // What has failed is tried again after the rest.
    const wish = await look().catch(() => 0)
    looking = false
    const rest = Math.min(longest, Math.max(every, (now() - began) * share))
    restedAt = now() + rest
    lookIn(told ? rest : Math.max(Math.min(wish ?? anyway, anyway), rest))
  }
  lookIn(0)
  return () => {
    if (told) return
    told = true
    if (!looking) lookIn(Math.max(0, restedAt - now()))
  }
}

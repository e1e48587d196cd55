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

/** A machine may change all the time; a look costs a reading of the routes, of which there may be a million. */
const lookEvery = 1000
const share = 20
/** A route by a next hop of its own goes without a word (`ip nexthop del`). */
const lookAnyway = 60_000

/** Gives what to call when the machine has changed: the first look is at once, the next ones not too soon after. */
export function follower(look: () => Promise<void>): () => void {
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
    const failed = await look().then(
      () => false,
      () => true,
    )
    looking = false
    const rest = Math.max(lookEvery, (now() - began) * share)
    restedAt = now() + rest
    lookIn(told || failed ? rest : Math.max(lookAnyway, rest))
  }
  lookIn(0)
  return () => {
    if (told) return
    told = true
    if (!looking) lookIn(Math.max(0, restedAt - now()))
  }
}

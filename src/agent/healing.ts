/** When to make the table whole again: at once when another program changed it, more rarely the more often it does. */
import { Problem } from '../model/problem.ts'

export interface Repair {
  /** UTC instant. */
  readonly at: string
  /** The program that changed our table, and its process (thread) number; 'unknown' when notifications were lost. */
  readonly by: string
  readonly pid: number
  readonly milliseconds: number
}

export interface Repairs {
  readonly count: number
  readonly last: Repair | null
  /** Another program keeps writing to our table. */
  readonly fighting: boolean
  /** Why the last repair was refused; '' when it was not. It is tried again. */
  readonly refused: string
}

/** Beyond this many repairs in a minute each waits, so that two programs do not chase each other for ever. */
const mostPerMinute = 30
/** A fight is over when nothing had to be repaired for so long: several of the pauses it brings. */
const calmAfter = 20_000
/** So often in a row a repair may find its work undone before it is done, and is made again at once. */
const mostOvertaken = 3
const firstRetry = 1000
const longestPause = 5000
/** Repairs that wait take no more than a tenth of a processor, however large the table is. */
const idleShare = 10

/** Keeps the book of repairs. No effects: the caller repairs. `now` is milliseconds of a clock that nobody sets. */
export class RepairBook {
  #count = 0
  #last: Repair | null = null
  #recent: number[] = []
  #fought = false
  #refused = ''
  #refusals = 0
  #overtaken = 0
  #cost = 0

  /** Milliseconds to wait before the next repair. */
  pauseAt(now: number): number {
    if (this.#fightingAt(now)) return Math.max(longestPause, this.#cost * idleShare)
    if (this.#refusals === 0) return 0
    const pause = Math.min(firstRetry * 2 ** (this.#refusals - 1), longestPause)
    return Math.max(pause, this.#cost * idleShare)
  }

  enter(repair: Repair, now: number): void {
    this.#fought = this.#fightingAt(now)
    this.#recent = [...this.#recent.filter((time) => time > now - 60_000), now]
    this.#fought ||= this.#recent.length > mostPerMinute
    this.#count += 1
    this.#last = repair
    this.#cost = repair.milliseconds
  }

  /**
   * True when it is worth a word. It is not yet where another program has written again before the repair was done, as a
   * service does whose restart flushes twice: that was a repair all the same, and is made again at once. One that does so
   * time after time is fighting.
   */
  fail(error: Error, repair: Repair, now: number): boolean {
    const overtaken = error instanceof Problem && error.code === 'kernel-differs'
    if (!overtaken) {
      this.#refused = error.message
      this.#refusals += 1
      this.#cost = repair.milliseconds
      return true
    }
    this.#refused = ''
    this.#refusals = 0
    this.enter(repair, now)
    this.#overtaken += 1
    const fights = this.#overtaken > mostOvertaken
    this.#fought ||= fights
    return fights
  }

  /** The kernel holds what it should. */
  settle(): void {
    this.#refused = ''
    this.#refusals = 0
    this.#overtaken = 0
  }

  readAt(now: number): Repairs {
    return { count: this.#count, last: this.#last, fighting: this.#fightingAt(now), refused: this.#refused }
  }

  #fightingAt(now: number): boolean {
    return this.#fought && now - (this.#recent.at(-1) ?? 0) < calmAfter
  }
}

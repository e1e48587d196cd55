/** When to make the table whole again: at once when another program changed it, more rarely the more often it does. */

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
  /** More than `mostPerMinute` in the last minute: another program keeps writing to our table. */
  readonly fighting: boolean
}

/** Beyond this many repairs in a minute each waits, so that two programs do not chase each other for ever. */
const mostPerMinute = 30
const pauseWhileFighting = 5000

/** Keeps the book of repairs. No effects: the caller repairs. */
export class RepairBook {
  #count = 0
  #last: Repair | null = null
  #recent: number[] = []

  /** Milliseconds to wait before the next repair. */
  pauseAt(now: number): number {
    return this.#fightingAt(now) ? pauseWhileFighting : 0
  }

  enter(repair: Repair): void {
    const at = Date.parse(repair.at)
    this.#recent = [...this.#recent.filter((time) => time > at - 60_000), at]
    this.#count += 1
    this.#last = repair
  }

  readAt(now: number): Repairs {
    return { count: this.#count, last: this.#last, fighting: this.#fightingAt(now) }
  }

  #fightingAt(now: number): boolean {
    return this.#recent.filter((time) => time > now - 60_000).length > mostPerMinute
  }
}

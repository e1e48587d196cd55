/** Checks targets, each in its own rhythm, and says when one comes or goes. No more than so many at the same time. */
import type { Condition, Outcome } from '../../model/condition.ts'
import type { Health } from '../../model/health.ts'
import { begin, type Course, follow } from './course.ts'
import { restOf } from './rhythm.ts'

/** What is checked: equal keys are equal subjects, so what several forwards share is checked once. */
export interface Subject {
  readonly key: string
  readonly address: string
  readonly port: number
  readonly health: Health
}

/** Time as it passes, for whom it is not to be that of this machine. */
export interface Clock {
  /** Milliseconds of a clock that nobody sets. */
  now(): number
  /** UTC instant. */
  instant(): string
  /** Does the work after so many milliseconds; gives what calls it off. */
  after(milliseconds: number, work: () => void): () => void
  /** From 0 to 1. */
  chance(): number
}

export interface Turn {
  readonly subject: Subject
  readonly before: Condition
  readonly now: Condition
}

/** Descriptors and memory: each check is a socket and up to 64 KB. */
const mostAtOnce = 256

interface Watched {
  readonly subject: Subject
  course: Course
  callOff: () => void
}

export class Checking {
  readonly #check: (subject: Subject) => Promise<Outcome>
  readonly #clock: Clock
  readonly #turned: (turn: Turn) => void
  readonly #watched = new Map<string, Watched>()
  /** Whose time has come while too many were being checked, in the order of their times. */
  readonly #waiting = new Set<Watched>()
  #checking = 0

  /** `turned` is called when a target comes up or goes down. */
  constructor(check: (subject: Subject) => Promise<Outcome>, clock: Clock, turned: (turn: Turn) => void) {
    this.#check = check
    this.#clock = clock
    this.#turned = turned
  }

  /** `known` is what was found earlier, before this process perhaps. */
  add(subject: Subject, known?: Course): void {
    if (this.#watched.has(subject.key)) return
    const course = known ?? begin(this.#clock.instant())
    const watched: Watched = { subject, course, callOff: () => {} }
    this.#watched.set(subject.key, watched)
    // Spread over its first rest, so that a whole gateway does not ask everybody at once.
    this.#rest(watched, this.#clock.chance() * restOf(subject.health, 0))
  }

  remove(key: string): void {
    const watched = this.#watched.get(key)
    if (!watched) return
    watched.callOff()
    this.#waiting.delete(watched)
    this.#watched.delete(key)
  }

  courseOf(key: string): Course | undefined {
    return this.#watched.get(key)?.course
  }

  /** What is down now. */
  down(): ReadonlyMap<string, Course> {
    const down = [...this.#watched.values()].filter(({ course }) => course.state === 'down')
    return new Map(down.map(({ subject, course }) => [subject.key, course]))
  }

  /** Checks that are late, as too many others are being made. */
  get waiting(): number {
    return this.#waiting.size
  }

  #rest(watched: Watched, milliseconds: number): void {
    watched.callOff = this.#clock.after(milliseconds, () => this.#due(watched))
  }

  #due(watched: Watched): void {
    if (this.#checking < mostAtOnce) void this.#look(watched)
    else this.#waiting.add(watched)
  }

  async #look(watched: Watched): Promise<void> {
    this.#checking += 1
    const { subject } = watched
    const began = this.#clock.now()
    const outcome = await this.#check(subject).catch(
      (error: Error): Outcome => ({ kind: 'unknown', why: error.message }),
    )
    this.#checking -= 1
    if (this.#watched.get(subject.key) === watched) {
      const rest = restOf(subject.health, this.#clock.chance())
      this.#rest(watched, Math.max(0, began + rest - this.#clock.now()))
      this.#take(watched, outcome)
    }
    const [next] = this.#waiting
    if (!next || this.#checking >= mostAtOnce) return
    this.#waiting.delete(next)
    void this.#look(next)
  }

  #take(watched: Watched, outcome: Outcome): void {
    const before = watched.course
    watched.course = follow(before, outcome, watched.subject.health, this.#clock.instant())
    if (before.state !== watched.course.state)
      this.#turned({ subject: watched.subject, before, now: watched.course })
  }
}

/** The time of this machine. What waits does not keep the process alive. */
export function machineClock(): Clock {
  return {
    now: () => performance.now(),
    instant: () => new Date().toISOString(),
    after: (milliseconds, work) => {
      const timer = setTimeout(work, milliseconds)
      timer.unref()
      return () => clearTimeout(timer)
    },
    chance: Math.random,
  }
}

/** How the outcomes of checks decide whether a target is up: fall, rise, and patience with one that flaps. Pure. */
import { type Condition, describeOutcome, type Outcome } from '../../model/condition.ts'

export interface Course extends Condition {
  /** Outcomes in a row that speak against the state. */
  readonly against: number
  /** Good outcomes since it came up, as far as they count. */
  readonly steady: number
  /** How often it has fallen again before it was steady. */
  readonly flaps: number
}

export interface Thresholds {
  readonly fall: number
  readonly rise: number
}

/** Who has been good so often since it came up is steady. */
const steadyAfter = 20
/** Each fall of one that was not steady doubles what it must be good for to come back, up to 32 times. */
const mostFlaps = 5
const flapsFrom = 2

/** Before the first check: nothing is known, and it is not to be left out for that. */
export function begin(at: string): Course {
  return {
    state: 'unchecked',
    since: at,
    trouble: '',
    warning: '',
    flapping: false,
    against: 0,
    steady: steadyAfter,
    flaps: 0,
  }
}

/** Good checks in a row that bring a target back. */
export function neededToRise({ flaps }: Pick<Course, 'flaps'>, { rise }: Thresholds): number {
  return rise * 2 ** flaps
}

/** What one more outcome, at this instant, makes of it. */
export function follow(course: Course, outcome: Outcome, thresholds: Thresholds, at: string): Course {
  switch (outcome.kind) {
    case 'unknown':
      return { ...course, trouble: describeOutcome(outcome) }
    case 'alive':
      return followGood({ ...course, warning: outcome.warning }, thresholds, at)
    case 'dead':
      return followBad({ ...course, trouble: describeOutcome(outcome) }, thresholds, at)
  }
}

function followGood(course: Course, thresholds: Thresholds, at: string): Course {
  if (course.state === 'unchecked') return { ...course, state: 'up', since: at, against: 0, trouble: '' }
  if (course.state === 'up') {
    const steady = Math.min(course.steady + 1, steadyAfter)
    const flaps = steady === steadyAfter ? 0 : course.flaps
    return { ...course, against: 0, trouble: '', steady, flaps, flapping: flaps >= flapsFrom }
  }
  const good = course.against + 1
  if (good < neededToRise(course, thresholds)) return { ...course, against: good }
  return { ...course, state: 'up', since: at, against: 0, trouble: '', steady: 0 }
}

function followBad(course: Course, { fall }: Thresholds, at: string): Course {
  if (course.state === 'down') return { ...course, against: 0 }
  const bad = course.against + 1
  if (bad < fall) return { ...course, against: bad }
  const flaps = course.steady < steadyAfter ? Math.min(course.flaps + 1, mostFlaps) : 0
  return { ...course, state: 'down', since: at, against: 0, warning: '', flaps, flapping: flaps >= flapsFrom }
}

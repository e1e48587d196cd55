/** When a target is out and when it is back, whatever its checks find. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { begin, type Course, follow, neededToRise } from '../../src/agent/health/course.ts'
import { alive, dead, type Outcome } from '../../src/model/condition.ts'
import { holds } from '../model/arbitrary.ts'

const unknown: Outcome = { kind: 'unknown', why: 'no descriptors' }
const refused = dead('refused')
const outcomes = { '+': alive, '-': refused, '?': unknown } as const
const thresholds = { fall: 3, rise: 2 }

/** `+` good, `-` failed, `?` not to be made. Each has its number as its instant. */
function courseOf(text: string, { fall, rise } = thresholds): Course[] {
  const courses = [begin('0')]
  for (const [index, sign] of [...text].entries()) {
    const last = courses.at(-1) as Course
    courses.push(follow(last, outcomes[sign as keyof typeof outcomes], { fall, rise }, String(index + 1)))
  }
  return courses
}

const statesOf = (text: string) =>
  courseOf(text)
    .slice(1)
    .map(({ state }) => ({ unchecked: '.', up: 'u', down: 'd' })[state])
    .join('')

describe('a target', () => {
  test.each([
    ['is up with the first good check', '+', 'u'],
    ['is in while nothing is known', '--?-', '...d'],
    ['is out after three failed in a row', '+---', 'uuud'],
    ['stays in when one of them is good', '+--+--', 'uuuuuu'],
    ['is back after two good in a row', '+---+-++', 'uuuddddu'],
    ['is neither out nor back by checks that could not be made', '+--???-???+?+', 'uuuuuudddddd' + 'u'],
  ])('%s', (_, checks, states) => {
    expect(statesOf(checks)).toBe(states)
  })

  test('tells since when, and why', () => {
    const courses = courseOf('+---+')
    expect(courses[1]).toMatchObject({ state: 'up', since: '1', trouble: '' })
    expect(courses[3]).toMatchObject({ state: 'up', since: '1', trouble: 'it refuses connections' })
    expect(courses[4]).toMatchObject({ state: 'down', since: '4', trouble: 'it refuses connections' })
    expect(courses[5]).toMatchObject({ state: 'down', since: '4', trouble: 'it refuses connections' })
  })

  test('has the warning of its last good check', () => {
    const warned = follow(begin('0'), { kind: 'alive', warning: 'its certificate ends' }, thresholds, '1')
    expect(warned).toMatchObject({ state: 'up', warning: 'its certificate ends' })
    expect(follow(warned, alive, thresholds, '2')).toMatchObject({ state: 'up', warning: '' })
  })
})

describe('one that flaps', () => {
  const cycle = '---'
  const back = (count: number) => '+'.repeat(count)

  test('needs twice as long each time it falls before it was steady', () => {
    const text = `+${cycle}${back(2)}${cycle}${back(3)}`
    expect(courseOf(text).at(-1)).toMatchObject({ state: 'down', flaps: 1 })
    expect(courseOf(`${text}+`).at(-1)).toMatchObject({ state: 'up', flapping: false })
    const again = `${text}+${cycle}${back(7)}`
    expect(courseOf(again).at(-1)).toMatchObject({ state: 'down', flapping: true })
    expect(courseOf(`${again}+`).at(-1)).toMatchObject({ state: 'up', flapping: true })
  })

  test('is forgiven when it has been good for twenty checks', () => {
    const flapping = courseOf(`+${cycle}${back(2)}${cycle}${back(4)}${cycle}${back(8)}`).at(-1)
    expect(flapping).toMatchObject({ state: 'up', flaps: 2 })
    const text = `+${cycle}${back(2)}${cycle}${back(4)}${cycle}${back(8)}${back(20)}`
    expect(courseOf(text).at(-1)).toMatchObject({ flaps: 0, flapping: false })
    expect(courseOf(`${text}${cycle}${back(2)}`).at(-1)).toMatchObject({ state: 'up' })
  })
})

const signs = fc.array(fc.constantFrom('+', '-', '?'), { maxLength: 300 }).map((all) => all.join(''))
/** Runs as targets have them, so that long ones are seen too. */
const runs = fc
  .array(fc.tuple(fc.constantFrom('+', '-', '?'), fc.integer({ min: 1, max: 80 })), { maxLength: 30 })
  .map((all) => all.map(([sign, count]) => sign.repeat(count)).join(''))
const given = fc.record({
  text: fc.oneof(signs, runs),
  fall: fc.integer({ min: 1, max: 6 }),
  rise: fc.integer({ min: 1, max: 6 }),
})

describe('whatever the checks find', () => {
  test('it goes down with the last of `fall` failures in a row, and not else', () => {
    holds(given, ({ text, fall, rise }) => {
      let failed = 0
      courseOf(text, { fall, rise }).forEach((course, index, all) => {
        const sign = text[index - 1]
        const before = all[index - 1]
        if (sign === '-') failed += 1
        if (sign === '+') failed = 0
        if (!before) return
        const falls = before.state !== 'down' && course.state === 'down'
        expect(falls).toBe(before.state !== 'down' && sign === '-' && failed >= fall)
      })
    })
  })

  test('it comes back after at least `rise`, and at most 32 times as many, good ones in a row', () => {
    holds(given, ({ text, fall, rise }) => {
      let good = 0
      courseOf(text, { fall, rise }).forEach((course, index, all) => {
        const sign = text[index - 1]
        if (sign === '+') good += 1
        if (sign === '-') good = 0
        const before = all[index - 1]
        if (before?.state !== 'down') {
          if (course.state === 'down') good = 0
          return
        }
        if (course.state === 'up') expect(good).toBe(neededToRise(before, { fall, rise }))
        expect(neededToRise(before, { fall, rise })).toBeLessThanOrEqual(32 * rise)
        if (good >= 32 * rise) expect(course.state).toBe('up')
      })
    })
  })

  test('a check that could not be made changes nothing but what is said', () => {
    holds(given, ({ text, fall, rise }) => {
      const course = courseOf(text, { fall, rise }).at(-1) as Course
      const { trouble: _, ...rest } = follow(course, unknown, { fall, rise }, 'later')
      expect(course).toMatchObject(rest)
    })
  })

  test('`since` is the instant at which the state has become what it is', () => {
    holds(given, ({ text, fall, rise }) => {
      courseOf(text, { fall, rise }).forEach((course, index, all) => {
        const before = all[index - 1]
        if (before) expect(course.since).toBe(before.state === course.state ? before.since : String(index))
      })
    })
  })

  test('one that is good and bad in turn, in runs as short as can be, changes ever more rarely', () => {
    holds(
      fc.record({ fall: fc.integer({ min: 1, max: 6 }), rise: fc.integer({ min: 1, max: 6 }) }),
      (given) => {
        let course = begin('0')
        let changes = 0
        for (let check = 1; check <= 1000; check += 1) {
          const next = follow(course, course.state === 'down' ? alive : refused, given, String(check))
          if (next.state !== course.state) changes += 1
          course = next
        }
        // Without patience: 2000 / (fall + rise), up to 1000.
        expect(changes).toBeLessThanOrEqual(2 * (1000 / (given.fall + 32 * given.rise)) + 12)
      },
    )
  })
})

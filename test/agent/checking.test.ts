/** Who is checked when, by a clock of the test. */
import { describe, expect, test } from 'vitest'
import { Checking, type Clock, type Subject, type Turn } from '../../src/agent/health/checking.ts'
import { restOf } from '../../src/agent/health/rhythm.ts'
import { alive, dead, type Outcome } from '../../src/model/condition.ts'
import { type Health, parseHealth } from '../../src/model/health.ts'

/** Time passes when the test says so. */
class Time implements Clock {
  #now = 0
  #jobs: { readonly at: number; readonly work: () => void }[] = []
  readonly #chance: number

  constructor(chance = 0) {
    this.#chance = chance
  }

  now(): number {
    return this.#now
  }

  instant(): string {
    return new Date(this.#now).toISOString()
  }

  chance(): number {
    return this.#chance
  }

  after(milliseconds: number, work: () => void): () => void {
    const job = { at: this.#now + milliseconds, work }
    this.#jobs.push(job)
    return () => {
      this.#jobs = this.#jobs.filter((one) => one !== job)
    }
  }

  /** Does what is due until then, each at its time. */
  async passes(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#jobs = this.#jobs.filter((one) => one !== next)
      this.#now = next.at
      next.work()
      for (let turns = 0; turns < 10; turns += 1) await Promise.resolve()
    }
    this.#now = end
  }

  #next(end: number) {
    return this.#jobs.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  }
}

const healthOf = (written: Parameters<typeof parseHealth>[1]): Health => parseHealth('health', written)
const subjectOf = (key: string, health = healthOf('tcp')): Subject => ({
  key,
  address: '10.0.0.5',
  port: 80,
  health,
})
const settle = async () => {
  for (let turns = 0; turns < 20; turns += 1) await Promise.resolve()
}

describe('a target', () => {
  test('is checked at once where chance wants it, and then after each rest', async () => {
    const time = new Time()
    const asked: number[] = []
    const checking = new Checking(
      async () => {
        asked.push(time.now())
        return alive
      },
      time,
      () => {},
    )
    checking.add(subjectOf('a', healthOf({ check: 'tcp', every: '5s', timeout: '1s', fall: 2 })))
    await time.passes(15_000)
    expect(asked).toEqual([0, 4500, 9000, 13_500])
  })

  test.each([0, 0.5, 1])('is out within every x fall, silent as it may be (chance %d)', async (chance) => {
    const time = new Time(chance)
    const health = healthOf({ check: 'tcp', every: '2s', timeout: '1s', fall: 3 })
    let died = Number.POSITIVE_INFINITY
    const turns: { readonly turn: Turn; readonly at: number }[] = []
    const check = async (): Promise<Outcome> => {
      if (time.now() < died) {
        // It dies right after it was good: the worst moment there is.
        if (time.now() > 10_000) died = time.now() + 1
        return alive
      }
      await new Promise<void>((resolve) => time.after(health.timeout, resolve))
      return dead('silent')
    }
    const checking = new Checking(check, time, (turn) => turns.push({ turn, at: time.now() }))
    checking.add(subjectOf('a', health))
    await time.passes(40_000)
    expect(turns.map(({ turn }) => turn.now.state)).toEqual(['up', 'down'])
    expect((turns[1]?.at ?? 0) - died).toBeLessThanOrEqual(3 * 2000)
    expect((turns[1]?.at ?? 0) - died).toBeGreaterThan(3 * 2000 * 0.9)
  })

  test('is not checked any more when it is taken away', async () => {
    const time = new Time()
    let asked = 0
    const checking = new Checking(
      async () => {
        asked += 1
        return alive
      },
      time,
      () => {},
    )
    checking.add(subjectOf('a'))
    checking.add(subjectOf('a'))
    await time.passes(100)
    expect(asked).toBe(1)
    checking.remove('a')
    await time.passes(50_000)
    expect(asked).toBe(1)
    expect(checking.courseOf('a')).toBeUndefined()
  })

  test('that is known from before goes on as it was', async () => {
    const time = new Time()
    const turns: Turn[] = []
    const first = new Checking(
      async () => dead('refused'),
      time,
      () => {},
    )
    first.add(subjectOf('a'))
    await time.passes(20_000)
    const known = first.courseOf('a')
    expect(known?.state).toBe('down')
    const second = new Checking(
      async () => alive,
      time,
      (turn) => turns.push(turn),
    )
    second.add(subjectOf('a'), known)
    expect(second.courseOf('a')?.state).toBe('down')
    await time.passes(5000)
    expect(turns.map(({ before, now }) => [before.state, now.state])).toEqual([['down', 'up']])
  })

  test('whose check breaks is neither out nor in for that', async () => {
    const time = new Time()
    const checking = new Checking(
      async () => Promise.reject(new Error('broken')),
      time,
      () => {},
    )
    checking.add(subjectOf('a'))
    await time.passes(50_000)
    expect(checking.courseOf('a')).toMatchObject({
      state: 'unchecked',
      trouble: 'it could not be checked: broken',
    })
  })
})

describe('of very many targets', () => {
  test('no more than 256 are asked at once, the others in turn, and that they were late is known', async () => {
    const time = new Time()
    const open: (() => void)[] = []
    let most = 0
    const asked = new Set<string>()
    const check = async ({ key }: Subject): Promise<Outcome> => {
      asked.add(key)
      await new Promise<void>((resolve) => {
        open.push(resolve)
        most = Math.max(most, open.length)
      })
      return alive
    }
    const checking = new Checking(check, time, () => {})
    for (let index = 0; index < 600; index += 1) checking.add(subjectOf(`target ${index}`))
    await time.passes(0)
    expect(asked.size).toBe(256)
    expect(checking.waiting).toBe(600 - 256)
    while (open.length > 0) {
      open.shift()?.()
      await settle()
    }
    expect(asked.size).toBe(600)
    expect(most).toBe(256)
    expect(checking.waiting).toBe(0)
    for (const key of asked) expect(checking.courseOf(key)?.state).toBe('up')
  })

  test('one that is taken away while it waits is not asked', async () => {
    const time = new Time()
    const open: (() => void)[] = []
    const asked: string[] = []
    const checking = new Checking(
      async ({ key }) => {
        asked.push(key)
        await new Promise<void>((resolve) => open.push(resolve))
        return alive
      },
      time,
      () => {},
    )
    for (let index = 0; index < 258; index += 1) checking.add(subjectOf(`target ${index}`))
    await time.passes(0)
    checking.remove('target 256')
    for (const go of open.splice(0)) go()
    await settle()
    expect(asked).not.toContain('target 256')
    expect(asked).toContain('target 257')
  })
})

test('the rest of a check is never longer than every', () => {
  for (const fall of [1, 2, 3, 10]) {
    const health = { every: 1000, timeout: 500, fall }
    expect(restOf(health, 0)).toBeLessThanOrEqual(1000)
    expect(restOf(health, 1)).toBeLessThan(restOf(health, 0))
    expect(fall * restOf(health, 0) + health.timeout).toBeCloseTo(fall * health.every)
  }
})

/** The rhythm of repairs: at once while they are rare, with pauses while somebody fights or the kernel refuses. */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { follower, repairer } from '../../src/agent/guarding.ts'
import { RepairBook } from '../../src/agent/healing.ts'
import { Problem } from '../../src/model/problem.ts'

const second = 1000
let book: RepairBook

beforeEach(() => {
  book = new RepairBook()
})

const repair = (milliseconds: number) => ({ at: new Date(0).toISOString(), by: 'nft', pid: 1, milliseconds })

/** Enters so many repairs, one every `every` milliseconds from `from` on. */
function repairs(count: number, from: number, every: number, milliseconds = 10): void {
  for (let index = 0; index < count; index += 1) book.enter(repair(milliseconds), from + index * every)
}

const refuse = (words: string, milliseconds: number) => book.fail(new Error(words), repair(milliseconds), 0)

describe('another program that fights', () => {
  test('thirty repairs in a minute are made at once, the next ones wait', () => {
    repairs(30, 0, second)
    expect([book.pauseAt(30 * second), book.readAt(30 * second).fighting]).toEqual([0, false])
    repairs(1, 30 * second, 0)
    expect([book.pauseAt(31 * second), book.readAt(31 * second).fighting]).toEqual([5000, true])
  })

  test('as long as it goes on each repair waits, though they are fewer now', () => {
    repairs(31, 0, 0)
    repairs(60, 5 * second, 5 * second)
    expect(book.pauseAt(306 * second)).toBe(5000)
  })

  test('a repair that it undoes before it is done is made again at once, three times; then it is a fight, and no refusal', () => {
    refuse('Operation not permitted', 10)
    const undone = Problem.of('kernel-differs', { what: '2 elements are missing' })
    const fails = () => book.fail(undone, repair(3000), 0)
    expect([fails(), fails(), fails(), book.pauseAt(0)]).toEqual([false, false, false, 0])
    expect(book.readAt(0)).toMatchObject({ count: 3, last: { by: 'nft' }, fighting: false, refused: '' })
    expect([fails(), book.pauseAt(0)]).toEqual([true, 30_000])
    expect(book.readAt(0)).toMatchObject({ count: 4, fighting: true, refused: '' })
    expect(book.readAt(20 * second).fighting).toBe(false)
    book.settle()
    expect([fails(), refuse('Operation not permitted', 10)]).toEqual([false, true])
  })

  test('the pause grows with what a repair costs', () => {
    repairs(31, 0, 0, 2000)
    expect(book.pauseAt(1)).toBe(20_000)
  })

  test('it is over when nothing had to be repaired for a while', () => {
    repairs(31, 0, 0)
    expect(book.readAt(19 * second).fighting).toBe(true)
    expect([book.pauseAt(20 * second), book.readAt(20 * second)]).toEqual([
      0,
      expect.objectContaining({ fighting: false, count: 31 }),
    ])
    repairs(1, 21 * second, 0)
    expect(book.readAt(21 * second).fighting).toBe(true)
    repairs(1, 90 * second, 0)
    expect(book.readAt(90 * second).fighting).toBe(false)
  })
})

describe('a kernel that refuses', () => {
  test('is asked again with growing pauses, and says why meanwhile', () => {
    const pauses = [0, 1, 2, 3, 4].map(() => {
      refuse('Operation not permitted', 10)
      return book.pauseAt(0)
    })
    expect(pauses).toEqual([1000, 2000, 4000, 5000, 5000])
    expect(book.readAt(0).refused).toBe('Operation not permitted')
    book.settle()
    expect([book.pauseAt(0), book.readAt(0).refused]).toEqual([0, ''])
  })

  test('the pauses grow with what each attempt costs', () => {
    refuse('Cannot allocate memory', 3000)
    expect(book.pauseAt(0)).toBe(30_000)
  })
})

describe('with timers', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    return () => void vi.useRealTimers()
  })

  test('a hundred intrusions at once are one repair, and one more for what came meanwhile', async () => {
    const made: string[] = []
    let finish = () => {}
    const intruded = repairer<string>(book, (by) => {
      made.push(by)
      return new Promise((resolve) => {
        finish = resolve
      })
    })
    for (let index = 0; index < 100; index += 1) intruded('first')
    await vi.advanceTimersByTimeAsync(1)
    for (let index = 0; index < 100; index += 1) intruded('meanwhile')
    finish()
    await vi.advanceTimersByTimeAsync(1000)
    expect(made).toEqual(['first', 'meanwhile'])
  })

  test('a refused repair is made again by itself, at a pace', async () => {
    let tries = 0
    const intruded = repairer(book, async () => {
      tries += 1
      refuse('no', 1)
      throw new Error('no')
    })
    intruded(undefined)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(tries).toBeGreaterThan(10)
    expect(tries).toBeLessThan(20)
  })

  test('the machine is looked at at once, at most once a second, and every minute anyway', async () => {
    let looks = 0
    const moved = follower(async () => {
      looks += 1
    })
    await vi.advanceTimersByTimeAsync(5000)
    expect(looks).toBe(1)
    moved()
    await vi.advanceTimersByTimeAsync(1)
    expect(looks).toBe(2)
    for (let index = 0; index < 1000; index += 1) {
      moved()
      await vi.advanceTimersByTimeAsync(5)
    }
    expect(looks).toBeGreaterThan(5)
    expect(looks).toBeLessThan(9)
    await vi.advanceTimersByTimeAsync(2000)
    const before = looks
    await vi.advanceTimersByTimeAsync(600_000)
    expect(looks - before).toBe(10)
  })

  test('what changes while it looks is looked at again, and so is what could not be read', async () => {
    let looks = 0
    let told = false
    const moved = follower(async () => {
      looks += 1
      if (looks === 1) throw new Error('torn')
      if (!told) {
        told = true
        moved()
      }
    })
    await vi.advanceTimersByTimeAsync(500)
    expect(looks).toBe(1)
    await vi.advanceTimersByTimeAsync(3000)
    expect(looks).toBe(3)
  })
})

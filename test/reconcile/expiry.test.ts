/** Forwards close at their time, by the wall clock, whoever slept meanwhile. */
import { beforeEach, describe, expect, test } from 'vitest'
import { parseForward } from '../../src/model/forward.ts'
import { startExpiry } from '../../src/reconcile/expiry.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { careful, change, closing, opening, origin } from '../store/changes.ts'
import { type HandClock, handClock } from './clock.ts'

const second = 1000
const hour = 3600 * second

let store: Store
let clock: HandClock

beforeEach(() => {
  store = openMemoryStore()
  clock = handClock('2027-01-31T00:00:00Z')
})

const commit = (wanted: ReturnType<typeof change>) => store.commit(wanted, origin, careful)
const until = (name: string, port: number, expires: string) =>
  commit(opening(name, port, { expires: `2027-01-31T${expires}Z` }))
const open = () => [...store.register.forwards.keys()].sort()

describe('at its time', () => {
  test('each closes, and the others stay', async () => {
    until('early', 2000, '00:10:00')
    until('late', 2001, '01:00:00')
    commit(opening('ever', 2002))
    startExpiry(store, clock)
    await clock.pass(600 * second - 1)
    expect(open()).toEqual(['early', 'ever', 'late'])
    await clock.pass(1)
    expect(open()).toEqual(['ever', 'late'])
    await clock.pass(hour)
    expect(open()).toEqual(['ever'])
  })

  test('it is a generation like any other, with its author', async () => {
    until('a', 2000, '00:10:00')
    until('b', 2001, '00:10:00')
    startExpiry(store, clock)
    await clock.pass(hour)
    expect(store.generation).toBe(3)
    expect(store.history(2, 1)).toMatchObject([
      { actor: 'drawbridge', how: 'expiry', at: '2027-01-31T00:10:00.000Z' },
    ])
  })

  test('also one that was opened, prolonged or shortened meanwhile', async () => {
    startExpiry(store, clock)
    until('new', 2000, '00:10:00')
    until('longer', 2001, '00:10:00')
    until('shorter', 2002, '03:00:00')
    await clock.pass(300 * second)
    until('longer', 2001, '02:00:00')
    until('shorter', 2002, '00:06:00')
    await clock.pass(hour)
    expect(open()).toEqual(['longer'])
    await clock.pass(hour)
    expect(open()).toEqual([])
  })

  test('not one that was closed and opened again for ever', async () => {
    startExpiry(store, clock)
    until('a', 2000, '00:10:00')
    commit(closing('a'))
    commit(opening('a', 2000))
    await clock.pass(hour)
    expect(open()).toEqual(['a'])
  })

  test('also one that is switched off', async () => {
    commit(opening('off', 2000, { expires: '2027-01-31T00:10:00Z', enabled: false }))
    startExpiry(store, clock)
    await clock.pass(hour)
    expect(open()).toEqual([])
  })
})

describe('whoever slept', () => {
  test('at the start, what is over closes at once', () => {
    until('over', 2000, '00:10:00')
    until('later', 2001, '05:00:00')
    clock.jump(hour)
    startExpiry(store, clock)
    expect(open()).toEqual(['later'])
  })

  test('one that is over already when it is opened closes at once', () => {
    startExpiry(store, clock)
    commit(opening('over', 2000, { expires: '2027-01-30T00:00:00Z' }))
    expect(open()).toEqual([])
  })

  test('a clock that jumps forward is noticed within half a minute', async () => {
    until('a', 2000, '10:00:00')
    startExpiry(store, clock)
    clock.jump(11 * hour)
    await clock.pass(30 * second)
    expect(open()).toEqual([])
  })

  test('a machine that was suspended closes what is over within half a minute', async () => {
    until('a', 2000, '10:00:00')
    startExpiry(store, clock)
    await clock.pass(60 * second)
    clock.suspend(11 * hour)
    await clock.pass(30 * second)
    expect(open()).toEqual([])
  })

  test('a clock that is set back prolongs nothing, also not when the forward is changed otherwise', async () => {
    until('a', 2000, '00:10:00')
    startExpiry(store, clock)
    await clock.pass(300 * second)
    clock.jump(-24 * hour)
    commit(opening('a', 2000, { expires: '2027-01-31T00:10:00Z', to: '10.0.0.9' }))
    await clock.pass(299 * second)
    expect(open()).toEqual(['a'])
    await clock.pass(second)
    expect(open()).toEqual([])
  })

  test('what has expired stays closed when the clock is set back after it', async () => {
    until('a', 2000, '00:10:00')
    startExpiry(store, clock)
    await clock.pass(600 * second)
    clock.jump(-24 * hour)
    await clock.pass(hour)
    expect(open()).toEqual([])
  })

  test('one that is given more time has it, also after the clock was set back', async () => {
    until('a', 2000, '00:10:00')
    startExpiry(store, clock)
    clock.jump(-24 * hour)
    until('a', 2000, '00:20:00')
    await clock.pass(hour)
    expect(open()).toEqual(['a'])
  })

  test('a year ahead is no shorter than it is', async () => {
    commit(opening('a', 2000, { expires: '2028-01-31T00:00:00Z' }))
    startExpiry(store, clock)
    await clock.pass(24 * hour)
    expect(open()).toEqual(['a'])
  })
})

describe('its timer', () => {
  test('is one, after many changes and closings', async () => {
    startExpiry(store, clock)
    for (let minute = 10; minute < 20; minute += 1) until(`f${minute}`, 2000 + minute, `00:${minute}:00`)
    await clock.pass(900 * second)
    expect(open()).toEqual(['f16', 'f17', 'f18', 'f19'])
    expect(clock.waits()).toHaveLength(1)
  })

  test('is none while nothing expires', async () => {
    commit(opening('ever', 2000))
    startExpiry(store, clock)
    expect(clock.waits()).toEqual([])
  })

  test('is none any more once stopped', async () => {
    until('a', 2000, '00:10:00')
    until('b', 2001, '00:20:00')
    const { stop } = startExpiry(store, clock)
    await clock.pass(600 * second)
    stop()
    expect(clock.waits()).toEqual([])
    await clock.pass(hour)
    expect(open()).toEqual(['b'])
  })

  test('goes on when the disk is full for a while', async () => {
    until('a', 2000, '00:10:00')
    let full = true
    const failing: Store = Object.create(store, {
      commit: {
        value: (...parts: Parameters<Store['commit']>) => {
          if (full) throw new Error('database or disk is full')
          return store.commit(...parts)
        },
      },
    })
    const expiry = startExpiry(failing, clock)
    expect(expiry.problem).toBeNull()
    await clock.pass(700 * second)
    expect(open()).toEqual(['a'])
    expect(expiry.problem?.message).toMatch(/still open: database or disk is full/)
    full = false
    await clock.pass(60 * second)
    expect(open()).toEqual([])
    expect(expiry.problem).toBeNull()
  })

  test('a change of another forward asks for the time a few times, however many may expire', async () => {
    commit(
      change({
        put: Array.from({ length: 500 }, (_, index) =>
          parseForward({
            name: `f${index}`,
            listen: `tcp/${2000 + index}`,
            to: '10.0.0.5',
            expires: '2027-02-01T00:00:00Z',
          }),
        ),
      }),
    )
    let asked = 0
    const counting: HandClock = {
      ...clock,
      uptime: () => {
        asked += 1
        return clock.uptime()
      },
    }
    startExpiry(store, counting)
    asked = 0
    commit(opening('other', 5000))
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThan(10)
    until('soon', 5001, '00:00:10')
    await clock.pass(10 * second)
    expect(open()).toHaveLength(501)
    expect(open()).not.toContain('soon')
  })
})

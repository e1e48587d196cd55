/** A change on trial: confirmed it stays, else everything is as before. */
import { beforeEach, describe, expect, test } from 'vitest'
import { startConfirmation } from '../../src/reconcile/confirmation.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { careful, change, closing, opening, origin } from '../store/changes.ts'
import { type HandClock, handClock } from './clock.ts'

const second = 1000

let store: Store
let clock: HandClock

beforeEach(() => {
  store = openMemoryStore()
  clock = handClock(origin.at)
  store.commit(opening('before', 2000), origin, careful)
})

/** Opens one and closes the other, to be confirmed within a minute. */
function tryOut(): void {
  const wanted = change({ ...opening('trial', 2001), remove: ['before'] })
  store.commit(wanted, origin, careful, { confirmWithin: 60 * second, uptime: clock.uptime() })
}

const open = () => [...store.register.forwards.keys()].sort()

describe('not confirmed', () => {
  test('it is undone at its time, as a generation of its own', async () => {
    startConfirmation(store, clock)
    tryOut()
    await clock.pass(59 * second)
    expect(open()).toEqual(['trial'])
    await clock.pass(second)
    expect(open()).toEqual(['before'])
    expect(store.history(2, 1)).toMatchObject([{ generation: 3, how: 'revert', actor: 'drawbridge' }])
    expect(store.pending).toBeNull()
    expect(clock.waits()).toEqual([])
  })

  test('while nothing ran, it is undone at the start', async () => {
    tryOut()
    await clock.pass(61 * second)
    startConfirmation(store, clock)
    expect(open()).toEqual(['before'])
  })

  test.each([0, -86_400, 86_400])(
    'after a start, what is left of its time is left, though the wall clock was set by %d s meanwhile',
    async (seconds) => {
      tryOut()
      await clock.pass(20 * second)
      clock.jump(seconds * second)
      startConfirmation(store, clock)
      await clock.pass(39 * second)
      expect(open()).toEqual(['trial'])
      await clock.pass(second)
      expect(open()).toEqual(['before'])
    },
  )

  test('a machine that was started anew does not try again: it is undone at the start', () => {
    tryOut()
    clock.reboot()
    startConfirmation(store, clock)
    expect(open()).toEqual(['before'])
  })

  test('a machine that slept too long undoes it as soon as it wakes', async () => {
    startConfirmation(store, clock)
    tryOut()
    await clock.pass(5 * second)
    clock.suspend(3600 * second)
    await clock.pass(second)
    expect(open()).toEqual(['before'])
  })

  test.each([-86_400, 86_400])(
    'it waits no longer and no shorter because the wall clock jumps by %d s',
    async (seconds) => {
      startConfirmation(store, clock)
      tryOut()
      clock.jump(seconds * second)
      await clock.pass(59 * second)
      expect(open()).toEqual(['trial'])
      await clock.pass(second)
      expect(open()).toEqual(['before'])
    },
  )

  test('of a window whose beginning nobody noted, the wall clock tells what is left, but never more than the whole', async () => {
    const wanted = change({ ...opening('trial', 2001), remove: ['before'] })
    store.commit(wanted, origin, careful, { confirmWithin: 60 * second })
    clock.jump(-3600 * second)
    startConfirmation(store, clock)
    await clock.pass(59 * second)
    expect(open()).toEqual(['trial'])
    await clock.pass(second)
    expect(open()).toEqual(['before'])
  })

  test('it is undone as soon as the disk can be written again', async () => {
    let full = true
    const failing: Store = Object.create(store, {
      commit: {
        value: (...parts: Parameters<Store['commit']>) => {
          if (full) throw new Error('database or disk is full')
          return store.commit(...parts)
        },
      },
    })
    const confirmation = startConfirmation(failing, clock)
    tryOut()
    await clock.pass(50 * second)
    expect(confirmation.problem).toBeNull()
    await clock.pass(20 * second)
    expect(open()).toEqual(['trial'])
    expect(confirmation.problem?.message).toMatch(/generation 1 could not return: database or disk is full/)
    full = false
    await clock.pass(10 * second)
    expect(open()).toEqual(['before'])
    expect(confirmation.problem).toBeNull()
  })
})

describe('confirmed', () => {
  test('it stays', async () => {
    startConfirmation(store, clock)
    tryOut()
    store.confirm({ ...origin, command: 'confirm' })
    await clock.pass(3600 * second)
    expect(open()).toEqual(['trial'])
    expect(store.generation).toBe(2)
  })

  test('the next one has its own whole time', async () => {
    startConfirmation(store, clock)
    tryOut()
    await clock.pass(50 * second)
    store.confirm({ ...origin, command: 'confirm' })
    store.commit(closing('trial'), { ...origin, at: new Date(clock.now()).toISOString() }, careful, {
      confirmWithin: 60 * second,
      uptime: clock.uptime(),
    })
    await clock.pass(59 * second)
    expect(open()).toEqual([])
    await clock.pass(second)
    expect(open()).toEqual(['trial'])
  })
})

test('stopped, it undoes nothing', async () => {
  const { stop } = startConfirmation(store, clock)
  tryOut()
  stop()
  await clock.pass(3600 * second)
  expect(open()).toEqual(['trial'])
})

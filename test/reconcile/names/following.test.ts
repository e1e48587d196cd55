/** When names are asked for again, how many at a time, and what stays known meanwhile. */
import { beforeEach, describe, expect, test } from 'vitest'
import { type Scene, scene, texts, words } from './zone.ts'

const second = 1000

let at: Scene

beforeEach(() => {
  at = scene()
})

describe('an answer counts', () => {
  test.each([
    ['for as long as it says', 30, 30],
    ['a second, where it says 0', 0, 1],
    ['an hour, where it says a year', 31_536_000, 3600],
  ])('%s', async (_, ttl, seconds) => {
    at.zone.app = [ttl, '10.0.0.5']
    const names = at.start()
    names.follow(['app'])
    await at.clock.pass(0)
    expect(at.asked).toEqual(['app'])
    await at.clock.pass(seconds * second - 100)
    expect(at.asked).toEqual(['app'])
    await at.clock.pass(200)
    expect(at.asked).toEqual(['app', 'app'])
    names.stop()
  })

  test('and what is different then is told, an order that is different is not', async () => {
    at.zone.app = [10, '10.0.0.5', '10.0.0.6']
    const names = at.start()
    names.follow(['app'])
    await at.clock.pass(10 * second)
    expect(at.changed).toEqual([['app']])
    at.zone.app = [10, '10.0.0.6', '10.0.0.5']
    await at.clock.pass(10 * second)
    expect(at.changed).toHaveLength(1)
    at.zone.app = [10, '10.0.0.7', 'fd00::7']
    await at.clock.pass(10 * second)
    expect(at.changed).toEqual([['app'], ['app']])
    expect(texts(names, 'app')).toEqual(['10.0.0.7', 'fd00::7'])
    expect(words(names, 'app')).toBe('app -> 10.0.0.7, fd00::7 (ttl 10 s)')
    names.stop()
  })

  test('until nobody names it any more', async () => {
    at.zone.app = [10, '10.0.0.5']
    const names = at.start()
    names.follow(['app'])
    await at.clock.pass(0)
    names.follow([])
    await at.clock.pass(120 * second)
    const before = at.asked.length
    await at.clock.pass(3600 * second)
    expect(at.asked).toHaveLength(before)
    names.stop()
  })
})

describe('the last good answer stays', () => {
  test.each([
    ['the server cannot tell', 'failed', 'no answer (SERVFAIL from 10.0.0.53)'],
    ['the name is gone', 'gone', 'there is no such name'],
  ] as const)('when %s, and it is told since when', async (_, trouble, why) => {
    at.zone.app = [10, '10.0.0.5']
    const names = at.start()
    names.follow(['app'])
    await at.clock.pass(5 * second)
    at.zone.app = trouble
    await at.clock.pass(24 * 3600 * second)
    expect(texts(names, 'app')).toEqual(['10.0.0.5'])
    expect(words(names, 'app')).toBe(
      `app -> 10.0.0.5, kept as of 2027-01-31T00:00:00.000Z: ${why} since 2027-01-31T00:00:10.000Z`,
    )
    // Once that it led there, and once that there is trouble.
    expect(at.changed).toHaveLength(2)
    at.zone.app = [10, '10.0.0.6']
    await at.clock.pass(30 * second)
    expect(texts(names, 'app')).toEqual(['10.0.0.6'])
    names.stop()
  })

  test('also over an end of the controller, until it is known better', async () => {
    at.zone.app = [10, '10.0.0.5']
    const before = at.start()
    before.follow(['app'])
    await at.clock.pass(second)
    const remembered = before.known()
    before.stop()
    at.zone.app = 'failed'
    const names = at.start(remembered)
    names.follow(['app'])
    expect(texts(names, 'app')).toEqual(['10.0.0.5'])
    await at.clock.pass(60 * second)
    expect(texts(names, 'app')).toEqual(['10.0.0.5'])
    at.zone.app = [10, '10.0.0.6']
    await at.clock.pass(60 * second)
    expect(texts(names, 'app')).toEqual(['10.0.0.6'])
    names.stop()
  })

  test('of the family whose question failed, while the other follows', async () => {
    at.zone.app = [1, '10.0.0.5', 'fd00::5']
    const names = at.start()
    names.follow(['app'])
    await at.clock.pass(500)
    at.failSix()
    at.zone.app = [1, '10.0.0.6']
    await at.clock.pass(2 * second)
    expect(texts(names, 'app')).toEqual(['10.0.0.6', 'fd00::5'])
    expect(words(names, 'app')).toContain('no answer (SERVFAIL)')
    names.stop()
  })

  test('but a family that is said to have no address any more has none', async () => {
    at.zone.app = [1, '10.0.0.5', 'fd00::5']
    const names = at.start()
    names.follow(['app'])
    await at.clock.pass(100)
    at.zone.app = [1, 'fd00::5']
    await at.clock.pass(2 * second)
    expect(texts(names, 'app')).toEqual(['fd00::5'])
    names.stop()
  })
})

test('a server that fails is asked less and less often, every half minute in the end; one without the name every five seconds', async () => {
  at.zone.broken = 'failed'
  const names = at.start()
  names.follow(['broken', 'gone'])
  await at.clock.pass(600 * second)
  at.asked.length = 0
  await at.clock.pass(300 * second)
  expect(at.asked.filter((name) => name === 'broken')).toHaveLength(10)
  expect(at.asked.filter((name) => name === 'gone')).toHaveLength(60)
  names.stop()
})

test('silent servers hold up no other name, however many are asked for at once', async () => {
  const silent = Array.from({ length: 1000 }, (_, at) => `silent${at}`)
  const good = Array.from({ length: 2000 }, (_, at) => `good${at}`)
  for (const name of good) at.zone[name] = [1, '10.0.0.5']
  const names = at.start()
  for (const name of silent) at.zone[name] = 'failed'
  names.follow([...silent, ...good])
  await at.clock.pass(4 * second)
  expect(names.views(good).every(({ since }) => since !== null)).toBe(true)
  for (const name of silent) at.zone[name] = 'silent'
  await at.clock.pass(40 * second)
  // All that may be asked about names in trouble are, and wait.
  expect(at.waiting).toHaveLength(32)
  at.asked.length = 0
  await at.clock.pass(4 * second)
  expect(new Set(at.asked).size).toBe(2000)
  expect(at.asked.length).toBeLessThan(4200)
  expect(at.asked.every((name) => name.startsWith('good'))).toBe(true)
  names.stop()
})

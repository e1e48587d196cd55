/** Targets that come back, flap, or were dead before; and where it is told. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { patience, poolOfFile, quick, startTarget } from '../lab/pool.ts'

const pool = poolOfFile()
const { opens, becomes, askedOf, views } = pool

test('a target that is back gets its share step by step, where that is said', async () => {
  const [one, two] = [
    await startTarget(pool.lab().server, pool.port()),
    await startTarget(pool.lab().other, pool.port() + 1),
  ]
  await opens([one.at, two.at], { balance: 'round-robin' }, { ...quick, slow_start: '9s' })
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  const quarters = async () => (await views()).find(({ at }) => at === one.at)?.quarters
  expect(await quarters()).toBe(4)
  await one.dies()
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  await one.returns()
  await expect.poll(quarters, { ...patience, interval: 20 }).toBe(1)
  const shares: string[] = []
  for (let times = 0; times < 10; times += 1)
    shares.push((await pool.lab().client.asks(pool.lab().gateway.outside, pool.port())).identity)
  expect(shares.filter((who) => who === 'server').length).toBe(2)
  expect((await pool.drawbridge().cli(['show', 'pool'])).stdout).toMatch(
    /, \d of 4 quarters of its share, up/,
  )
  await expect.poll(quarters, patience).toBe(4)
  const reached = Array.from({ length: 10 }, () =>
    pool.lab().client.asks(pool.lab().gateway.outside, pool.port()),
  )
  expect((await Promise.all(reached)).filter(({ identity }) => identity === 'server').length).toBe(5)
  await one.dies()
  await two.dies()
})

test('one that flaps has to be good for longer each time, and is said to flap', async () => {
  const [one, two] = [
    await startTarget(pool.lab().server, pool.port()),
    await startTarget(pool.lab().other, pool.port() + 1),
  ]
  const health = { ...quick, every: '200ms', timeout: '100ms', rise: 1, fall: 1 }
  await opens([one.at, two.at], {}, health)
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  const falls: number[] = []
  for (let times = 0; times < 4; times += 1) {
    await one.dies()
    await becomes({ [one.at]: 'down', [two.at]: 'up' })
    const began = performance.now()
    await one.returns()
    await becomes({ [one.at]: 'up', [two.at]: 'up' })
    falls.push(performance.now() - began)
  }
  // 1, 2, 4 and 8 good checks, each 95 to 100 ms apart at least.
  expect(falls[3]).toBeGreaterThan(7 * 95)
  const endpoints = await views()
  expect(endpoints.find(({ at }) => at === one.at)?.checked?.flapping).toBe(true)
  expect((await pool.drawbridge().cli(['show', 'pool'])).stdout).toContain('flapping')
  await one.dies()
  await two.dies()
})

test('it is told in status, list, show and history, and the log stays whole', async () => {
  const [one, two] = [
    await startTarget(pool.lab().server, pool.port()),
    await startTarget(pool.lab().other, pool.port() + 1),
  ]
  await opens([one.at, two.at])
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  const said = async (...words: string[]) => (await pool.drawbridge().cli(words)).stdout
  expect(await said('status')).toContain('targets: 2 checked, none down')
  await one.dies()
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  expect(await said('status')).toMatch(
    new RegExp(`targets: 2 checked, 1 down\n  pool: ${one.at} is down since \\S+: it refuses connections`),
  )
  expect(await said('list')).toMatch(/on, 1 down/)
  expect(await said('show', 'pool')).toMatch(
    new RegExp(`endpoint: ${one.at}, down, .*; down since .*: it refuses connections`),
  )
  const sentence = `pool: ${one.at} is down: it refuses connections`
  await expect.poll(() => said('history', '-o', 'json'), patience).toContain(sentence)
  const generation = (await pool.drawbridge().api.status(0)).generation
  await one.returns()
  await expect.poll(() => said('history', '-o', 'json'), patience).toContain(`pool: ${one.at} is up again`)
  expect((await pool.drawbridge().api.status(0)).generation).toBe(generation)
  expect(await said('audit', '-o', 'json')).toContain(sentence)
  expect(await said('audit', '--verify')).toMatch(/\d+ entries/)
  expect(pool.drawbridge().output()).toContain('"drawbridge":{"health":')
  const entries = (await pool.drawbridge().api.history(0, 50)).filter(({ how }) => how === 'health').length
  await pool.drawbridge().restart()
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  expect((await pool.drawbridge().api.history(0, 50)).filter(({ how }) => how === 'health').length).toBe(
    entries,
  )
  await one.dies()
  await two.dies()
})

test('an agent that is killed and started again sends nobody to a target that is still down', async () => {
  const [one, two] = [
    await startTarget(pool.lab().server, pool.port()),
    await startTarget(pool.lab().other, pool.port() + 1),
  ]
  await opens([one.at, two.at])
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  await one.dies()
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  const since = (await views()).find(({ at }) => at === one.at)?.checked?.since
  const load = await pool.lab().client.loads(pool.lab().gateway.outside, pool.port())
  const agent = pool.drawbridge().pid('agent')
  await pool.drawbridge().kill9('agent')
  await expect.poll(() => pool.drawbridge().pid('agent'), patience).not.toBe(agent)
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  const { asked } = await load.look()
  await expect.poll(async () => (await load.look()).asked, patience).toBeGreaterThan(asked + 100)
  expect((await load.end()).failures).toEqual([])
  const again = (await views()).find(({ at }) => at === one.at)?.checked
  expect(again).toMatchObject({ state: 'down', since })
  await two.dies()
})

test('a forward that is not checked any more sends to all its targets', async () => {
  const [one, two] = [
    await startTarget(pool.lab().server, pool.port()),
    await startTarget(pool.lab().other, pool.port() + 1),
  ]
  await opens([one.at, two.at], { balance: 'round-robin' })
  await one.vanishes()
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  expect(new Set(await askedOf(4))).toEqual(new Set([`other ${pool.port() + 1}`]))
  await pool.drawbridge().api.apply({
    gateway: {
      version: 1,
      forwards: [
        { name: 'pool', listen: `tcp+udp/${pool.port()}`, to: [one.at, two.at], balance: 'round-robin' },
      ],
    },
  })
  await one.appears()
  await expect.poll(async () => new Set(await askedOf(4)).size, patience).toBe(2)
  expect((await views()).map(({ checked }) => checked)).toEqual([null, null])
  await one.dies()
  await two.dies()
})

test('the gateway itself is not checked, by whatever address', async () => {
  await opens(['10.0.0.1:22'])
  // Not the one question that every change of a forward is followed by.
  const arriving = await pool.lab().gateway.watches('ip daddr 10.0.0.1 tcp dport 22')
  const found = async () => (await views())[0]?.checked
  await expect
    .poll(async () => (await found())?.trouble, patience)
    .toBe('it could not be checked: it is an address of this gateway')
  expect((await found())?.state).toBe('unchecked')
  await sleep(2 * 500)
  expect(await arriving.count()).toBe(0)
  await pool.lab().gateway.tries('nc', ['-z', '-w', '1', '10.0.0.1', '22'])
  expect(await arriving.count()).toBeGreaterThan(0)
  await arriving.stop()
})

/** Targets that die: who gets new connections, and what becomes of those there are. */
import { readFileSync, statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { patience, poolOfFile, startTarget } from '../lab/pool.ts'

const pool = poolOfFile()
const { opens, becomes, askedOf, views } = pool

/** What a loaded machine of two cores may be late by; the measurements are in docs/decisions.md. */
const slack = 1000

describe('under load', () => {
  test.each(['dies', 'vanishes'] as const)(
    'one of three targets %s: no connection fails after it was found out',
    async (how) => {
      const three = [
        await startTarget(pool.lab().server, pool.port()),
        await startTarget(pool.lab().other, pool.port() + 1),
        await startTarget(pool.lab().server, pool.port() + 2),
      ]
      const [one, two, last] = three
      if (!one || !two || !last) throw new Error('three targets')
      await opens(three.map(({ at }) => at))
      await becomes({ [one.at]: 'up', [two.at]: 'up', [last.at]: 'up' })
      const load = await pool.lab().client.loads(pool.lab().gateway.outside, pool.port(), { timeout: 300 })
      const began = performance.now()
      await expect.poll(async () => (await load.look()).asked, patience).toBeGreaterThan(50)
      expect((await load.look()).failures).toEqual([])

      const killed = { at: performance.now() - began, on: Date.now() }
      await two[how]()
      await becomes({ [one.at]: 'up', [two.at]: 'down', [last.at]: 'up' })
      const endpoints = await views()
      const found = Date.parse(endpoints.find(({ at }) => at === two.at)?.checked?.since ?? '') - killed.on
      expect(found).toBeLessThan(2 * 500 + 100 + slack)

      const before = (await load.look()).asked
      await expect.poll(async () => (await load.look()).asked, patience).toBeGreaterThan(before + 300)
      const { failures } = await load.end()
      // It was killed under load, so some have met it dead; a connection that waits for it began before it was found out.
      expect(failures.length).toBeGreaterThan(0)
      const latest = Math.max(...failures.map(({ at }) => at)) - killed.at
      expect(latest).toBeLessThan(2 * 500 + 100 + slack)
      console.info(
        `${how}: found out after ${found} ms, the last failure began after ${Math.round(latest)} ms`,
      )
      expect(new Set(await askedOf(20))).toEqual(
        new Set([`server ${pool.port()}`, `server ${pool.port() + 2}`]),
      )

      await (how === 'dies' ? two.returns() : two.appears())
      await becomes({ [one.at]: 'up', [two.at]: 'up', [last.at]: 'up' })
      expect(new Set(await askedOf(60)).size).toBe(3)
      for (const each of three) await each.dies()
    },
  )
})

describe('connections to a target that vanishes', () => {
  const held = async (onChange: string) => {
    const one = await startTarget(pool.lab().server, pool.port())
    const two = await startTarget(pool.lab().other, pool.port() + 1)
    await opens([one.at, two.at], { on_change: onChange, balance: 'round-robin' })
    await becomes({ [one.at]: 'up', [two.at]: 'up' })
    const streams = [
      await pool.lab().client.holds(pool.lab().gateway.outside, pool.port()),
      await pool.lab().client.holds(pool.lab().gateway.outside, pool.port()),
    ]
    const stream = streams.find(({ answer }) => answer.identity === 'server')
    if (!stream) throw new Error('two in turn go to both')
    // The check is told another story than the connection, which goes on.
    await pool
      .lab()
      .server.nft(`table inet hole { chain in { type filter hook input priority 0; ip saddr 10.0.0.1 tcp dport ${pool.port()} drop; }
    }`)
    await becomes({ [one.at]: 'down', [two.at]: 'up' })
    return { one, two, streams, stream }
  }
  const clean = async ({ one, two, streams }: Awaited<ReturnType<typeof held>>) => {
    await pool.lab().server.run('nft', ['delete', 'table', 'inet', 'hole'])
    for (const one of streams) await one.end()
    await one.dies()
    await two.dies()
  }

  test('go on by themselves, where nothing else is said', async () => {
    const all = await held('drain')
    const { received } = await all.stream.look()
    await expect.poll(async () => (await all.stream.look()).received, patience).toBeGreaterThan(received + 5)
    const endpoints = await views()
    expect(endpoints.map(({ at, open }) => [at, open])).toContainEqual([all.one.at, 1])
    await clean(all)
  })

  test('are cut where changes cut', async () => {
    const all = await held('cut')
    await expect.poll(async () => (await all.stream.look()).end, patience).not.toBe('held')
    await clean(all)
  })
})

test('datagrams of a client move from a target that is down to another one', async () => {
  const [one, two] = [
    await startTarget(pool.lab().server, pool.port()),
    await startTarget(pool.lab().other, pool.port() + 1),
  ]
  await opens([one.at, two.at], { balance: 'source' })
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  const sending = await pool.lab().client.holds(pool.lab().gateway.outside, pool.port(), { protocol: 'udp' })
  const first = sending.answer.identity === 'server' ? one : two
  const other = sending.answer.identity === 'server' ? 'other' : 'server'
  await first.dies()
  await expect.poll(async () => (await sending.look()).identities, patience).toContain(other)
  await sending.end()
  await (first === one ? two : one).dies()
})

test('a target that comes and goes adds to the boot file, and does not have it written anew each time', async () => {
  const one = await startTarget(pool.lab().server, pool.port())
  const two = await startTarget(pool.lab().other, pool.port() + 1)
  await opens([one.at, two.at])
  const boot = `${pool.drawbridge().state}/agent/boot.nft`
  const comesAndGoes = async () => {
    await two.dies()
    await becomes({ [one.at]: 'up', [two.at]: 'down' })
    await two.returns()
    await becomes({ [one.at]: 'up', [two.at]: 'up' })
  }
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  await comesAndGoes()
  const [file, text] = [statSync(boot).ino, readFileSync(boot, 'utf8')]
  await comesAndGoes()
  expect(statSync(boot).ino).toBe(file)
  const added = readFileSync(boot, 'utf8').slice(text.length)
  expect(readFileSync(boot, 'utf8').startsWith(text)).toBe(true)
  expect(added).toMatch(/^delete element inet drawbridge pool4_random_\d+ /)
  expect(added).toMatch(/^add element inet drawbridge pool4_random_2 .*$/m)
  for (const each of [one, two]) await each.dies()
})

describe('when all are down', () => {
  test.each([
    ['refuse', /refused/],
    ['keep', /timeout/],
  ] as const)('%s', async (what, words) => {
    const one = await startTarget(pool.lab().server, pool.port())
    await opens([one.at], { on_all_down: what })
    await becomes({ [one.at]: 'up' })
    await one.vanishes()
    await becomes({ [one.at]: 'down' })
    await expect(
      pool.lab().client.asks(pool.lab().gateway.outside, pool.port(), { timeout: 500 }),
    ).rejects.toThrow(words)
    await one.appears()
    await becomes({ [one.at]: 'up' })
    expect(new Set(await askedOf(1))).toEqual(new Set([`server ${pool.port()}`]))
    await one.dies()
  })
})

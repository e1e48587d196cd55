/** Targets that die and come back: who gets new connections, what becomes of those there are, and where it is told. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { HealthDocument } from '../../src/model/health.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge
let port = 8000

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
})
afterAll(() => lab?.close())
beforeEach(() => {
  port += 10
})

const quick = { check: 'tcp', every: '500ms', timeout: '200ms', fall: 2, rise: 2 } as const
/** What a loaded machine of two cores may be late by; the measurements are in docs/decisions.md. */
const slack = 1000
const patience = { timeout: 15_000, interval: 50 }

async function opens(
  to: readonly string[],
  wishes: object = {},
  health: HealthDocument = quick,
): Promise<void> {
  const forward = { name: 'pool', listen: `tcp+udp/${port}`, to: [...to], health, ...wishes }
  await drawbridge.api.apply({ gateway: { version: 1, forwards: [forward] } })
}

const states = async () => {
  const { endpoints = [] } = await drawbridge.api.forward('pool')
  return Object.fromEntries(endpoints.map(({ at, checked }) => [at, checked?.state]))
}
const becomes = (wanted: object) => expect.poll(states, patience).toEqual(wanted)

async function askedOf(times: number): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for (let i = 0; i < times; i += 1) {
    const { identity, port: at } = await lab.client.asks(lab.gateway.outside, port)
    found.add(`${identity} ${at}`)
  }
  return found
}

/** Serves TCP and UDP on a port of its own; `dies` as a process does, `vanishes` as a host does. */
async function target(host: Lab['server'] | Lab['other'], at: number) {
  const start = () => Promise.all([host.answers('tcp', at), host.answers('udp', at)])
  let running = await start()
  const table = `hole_${at}`
  return {
    at: host.at(at),
    dies: async () => void (await Promise.all(running.map((one) => one.stop()))),
    returns: async () => {
      running = await start()
    },
    vanishes: () =>
      host.nft(`table inet ${table} { chain in { type filter hook input priority 0;
        tcp dport ${at} drop; udp dport ${at} drop; }
      }`),
    appears: async () => void (await host.run('nft', ['delete', 'table', 'inet', table])),
  }
}

describe('under load', () => {
  test.each(['dies', 'vanishes'] as const)(
    'one of three targets %s: no connection fails after it was found out',
    async (how) => {
      const three = [
        await target(lab.server, port),
        await target(lab.other, port + 1),
        await target(lab.server, port + 2),
      ]
      const [one, two, last] = three
      if (!one || !two || !last) throw new Error('three targets')
      await opens(three.map(({ at }) => at))
      await becomes({ [one.at]: 'up', [two.at]: 'up', [last.at]: 'up' })
      const load = await lab.client.loads(lab.gateway.outside, port, { timeout: 300 })
      const began = performance.now()
      await expect.poll(async () => (await load.look()).asked, patience).toBeGreaterThan(50)
      expect((await load.look()).failures).toEqual([])

      const killed = { at: performance.now() - began, on: Date.now() }
      await two[how]()
      await becomes({ [one.at]: 'up', [two.at]: 'down', [last.at]: 'up' })
      const { endpoints = [] } = await drawbridge.api.forward('pool')
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
      expect(await askedOf(20)).toEqual(new Set([`server ${port}`, `server ${port + 2}`]))

      await (how === 'dies' ? two.returns() : two.appears())
      await becomes({ [one.at]: 'up', [two.at]: 'up', [last.at]: 'up' })
      expect((await askedOf(60)).size).toBe(3)
      for (const each of three) await each.dies()
    },
  )
})

describe('connections to a target that vanishes', () => {
  const held = async (onChange: string) => {
    const one = await target(lab.server, port)
    const two = await target(lab.other, port + 1)
    await opens([one.at, two.at], { on_change: onChange, balance: 'round-robin' })
    await becomes({ [one.at]: 'up', [two.at]: 'up' })
    const streams = [
      await lab.client.holds(lab.gateway.outside, port),
      await lab.client.holds(lab.gateway.outside, port),
    ]
    const stream = streams.find(({ answer }) => answer.identity === 'server')
    if (!stream) throw new Error('two in turn go to both')
    // The check is told another story than the connection, which goes on.
    await lab.server.nft(`table inet hole { chain in { type filter hook input priority 0; ip saddr 10.0.0.1 tcp dport ${port} drop; }
    }`)
    await becomes({ [one.at]: 'down', [two.at]: 'up' })
    return { one, two, streams, stream }
  }
  const clean = async ({ one, two, streams }: Awaited<ReturnType<typeof held>>) => {
    await lab.server.run('nft', ['delete', 'table', 'inet', 'hole'])
    for (const one of streams) await one.end()
    await one.dies()
    await two.dies()
  }

  test('go on by themselves, where nothing else is said', async () => {
    const all = await held('drain')
    const { received } = await all.stream.look()
    await expect.poll(async () => (await all.stream.look()).received, patience).toBeGreaterThan(received + 5)
    const { endpoints = [] } = await drawbridge.api.forward('pool')
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
  const [one, two] = [await target(lab.server, port), await target(lab.other, port + 1)]
  await opens([one.at, two.at], { balance: 'source' })
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  const sending = await lab.client.holds(lab.gateway.outside, port, { protocol: 'udp' })
  const first = sending.answer.identity === 'server' ? one : two
  const other = sending.answer.identity === 'server' ? 'other' : 'server'
  await first.dies()
  await expect.poll(async () => (await sending.look()).identities, patience).toContain(other)
  await sending.end()
  await (first === one ? two : one).dies()
})

describe('when all are down', () => {
  test.each([
    ['refuse', /refused/],
    ['keep', /timeout/],
  ] as const)('%s', async (what, words) => {
    const one = await target(lab.server, port)
    await opens([one.at], { on_all_down: what })
    await becomes({ [one.at]: 'up' })
    await one.vanishes()
    await becomes({ [one.at]: 'down' })
    await expect(lab.client.asks(lab.gateway.outside, port, { timeout: 500 })).rejects.toThrow(words)
    await one.appears()
    await becomes({ [one.at]: 'up' })
    expect(await askedOf(1)).toEqual(new Set([`server ${port}`]))
    await one.dies()
  })
})

test('one that flaps has to be good for longer each time, and is said to flap', async () => {
  const [one, two] = [await target(lab.server, port), await target(lab.other, port + 1)]
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
  const { endpoints = [] } = await drawbridge.api.forward('pool')
  expect(endpoints.find(({ at }) => at === one.at)?.checked?.flapping).toBe(true)
  expect((await drawbridge.cli(['show', 'pool'])).stdout).toContain('flapping')
  await one.dies()
  await two.dies()
})

test('it is told in status, list, show and history, and the log stays whole', async () => {
  const [one, two] = [await target(lab.server, port), await target(lab.other, port + 1)]
  await opens([one.at, two.at])
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  const said = async (...words: string[]) => (await drawbridge.cli(words)).stdout
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
  const generation = (await drawbridge.api.status(0)).generation
  await one.returns()
  await expect.poll(() => said('history', '-o', 'json'), patience).toContain(`pool: ${one.at} is up again`)
  expect((await drawbridge.api.status(0)).generation).toBe(generation)
  expect(await said('audit', '-o', 'json')).toContain(sentence)
  expect(await said('audit', '--verify')).toMatch(/\d+ entries/)
  expect(drawbridge.output()).toContain('"drawbridge":{"health":')
  const entries = (await drawbridge.api.history(0, 50)).filter(({ how }) => how === 'health').length
  await drawbridge.restart()
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  expect((await drawbridge.api.history(0, 50)).filter(({ how }) => how === 'health').length).toBe(entries)
  await one.dies()
  await two.dies()
})

test('an agent that is killed and started again sends nobody to a target that is still down', async () => {
  const [one, two] = [await target(lab.server, port), await target(lab.other, port + 1)]
  await opens([one.at, two.at])
  await becomes({ [one.at]: 'up', [two.at]: 'up' })
  await one.dies()
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  const since = (await drawbridge.api.forward('pool')).endpoints?.find(({ at }) => at === one.at)?.checked
    ?.since
  const load = await lab.client.loads(lab.gateway.outside, port)
  const agent = drawbridge.pid('agent')
  await drawbridge.kill9('agent')
  await expect.poll(() => drawbridge.pid('agent'), patience).not.toBe(agent)
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  const { asked } = await load.look()
  await expect.poll(async () => (await load.look()).asked, patience).toBeGreaterThan(asked + 100)
  expect((await load.end()).failures).toEqual([])
  const again = (await drawbridge.api.forward('pool')).endpoints?.find(({ at }) => at === one.at)?.checked
  expect(again).toMatchObject({ state: 'down', since })
  await two.dies()
})

test('a forward that is not checked any more sends to all its targets', async () => {
  const [one, two] = [await target(lab.server, port), await target(lab.other, port + 1)]
  await opens([one.at, two.at], { balance: 'round-robin' })
  await one.vanishes()
  await becomes({ [one.at]: 'down', [two.at]: 'up' })
  expect(await askedOf(4)).toEqual(new Set([`other ${port + 1}`]))
  await drawbridge.api.apply({
    gateway: {
      version: 1,
      forwards: [{ name: 'pool', listen: `tcp+udp/${port}`, to: [one.at, two.at], balance: 'round-robin' }],
    },
  })
  await one.appears()
  await expect.poll(async () => (await askedOf(4)).size, patience).toBe(2)
  expect((await drawbridge.api.forward('pool')).endpoints?.map(({ checked }) => checked)).toEqual([
    null,
    null,
  ])
  await one.dies()
  await two.dies()
})

test('the gateway itself is not checked, by whatever address', async () => {
  await opens(['10.0.0.1:22'])
  // Not the one question that every change of a forward is followed by.
  const arriving = await lab.gateway.watches('ip daddr 10.0.0.1 tcp dport 22')
  const found = async () => (await drawbridge.api.forward('pool')).endpoints?.[0]?.checked
  await expect
    .poll(async () => (await found())?.trouble, patience)
    .toBe('it could not be checked: it is an address of this gateway')
  expect((await found())?.state).toBe('unchecked')
  await sleep(2 * 500)
  expect(await arriving.count()).toBe(0)
  await lab.gateway.tries('nc', ['-z', '-w', '1', '10.0.0.1', '22'])
  expect(await arriving.count()).toBeGreaterThan(0)
  await arriving.stop()
})

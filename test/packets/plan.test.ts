/** A plan says what a change does to the connections there are, and the change does exactly that. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  for (const host of [lab.server, lab.other]) {
    for (const protocol of ['tcp', 'udp'] as const) await host.answers(protocol, 80)
  }
})
afterAll(() => lab?.close())

test('live connections that would drain, move and break are counted by forward and network, and then do so', async () => {
  const { client, gateway, server, other } = lab
  await drawbridge.opens('tcp/8000', [server.at(80), server.at6(80)], { name: 'draining' })
  await drawbridge.opens('udp/8001', server.at(80), { name: 'moving' })
  await drawbridge.opens('tcp/8002', server.at(80), { name: 'cutting', onChange: 'cut' })
  await drawbridge.opens('tcp/8003', server.at(80), { name: 'untouched' })
  const held = {
    four: await client.holds(gateway.outside, 8000, { from: '203.0.113.3' }),
    fourToo: await client.holds(gateway.outside, 8000, { from: '203.0.113.4' }),
    six: await client.holds(gateway.outside6, 8000),
    moving: await client.holds(gateway.outside, 8001, { protocol: 'udp' }),
    cut: await client.holds(gateway.outside, 8002),
    untouched: await client.holds(gateway.outside, 8003),
  }
  const gatewayFile = {
    version: 1,
    forwards: [
      { name: 'draining', listen: 'tcp/8000', to: [other.at(80), other.at6(80)] },
      { name: 'moving', listen: 'udp/8001', to: other.at(80) },
      { name: 'cutting', listen: 'tcp/8002', to: other.at(80), on_change: 'cut' },
      { name: 'untouched', listen: 'tcp/8003', to: server.at(80), note: 'another note' },
    ],
  }
  const plan = await drawbridge.api.plan({ gateway: gatewayFile })
  const four = (flows: number) => ({ network: '203.0.113.0/24', flows })
  expect(plan.flows).toEqual([
    { forward: 'cutting', fate: 'break', flows: 1, networks: [four(1)], more: 0 },
    { forward: 'moving', fate: 'move', flows: 1, networks: [four(1)], more: 0 },
    {
      forward: 'draining',
      fate: 'drain',
      flows: 3,
      networks: [four(2), { network: '2001:db8:1::/64', flows: 1 }],
      more: 0,
    },
  ])
  await drawbridge.api.apply({ gateway: gatewayFile, based: plan.based })
  await expect.poll(async () => (await held.moving.look()).identities.at(-1), { timeout: 5000 }).toBe('other')
  expect((await held.cut.end()).end).toBe('reset')
  for (const stays of [held.four, held.fourToo, held.six, held.untouched]) {
    expect(await stays.look()).toMatchObject({ end: 'held', inOrder: true, identities: ['server'] })
  }

  // What drains already does so because of that change, and not of the next one.
  const next = await drawbridge.api.plan({
    gateway: { version: 1, forwards: [{ name: 'draining', listen: 'tcp/8000', to: server.at(81) }] },
  })
  expect(next.flows).toEqual([])
  const closing = await drawbridge.api.close({ names: ['untouched', 'moving'], dry_run: true })
  expect(closing.plan.flows?.map(({ forward, fate, flows }) => [forward, fate, flows])).toEqual([
    ['moving', 'break', 1],
    ['untouched', 'drain', 1],
  ])
  const locking = await drawbridge.api.lockdown({ lift: false, dry_run: true })
  expect(locking.plan.flows?.every(({ fate }) => fate === 'break')).toBe(true)
  expect(locking.plan.flows?.reduce((sum, { flows }) => sum + flows, 0)).toBeGreaterThanOrEqual(5)
  for (const stays of [held.four, held.fourToo, held.six, held.untouched]) {
    expect((await stays.end()).end).toBe('held')
  }
  await held.moving.end()
})

test('a connection that is over is no live one, and a list of the same file counts for its warnings', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp/8020', server.at(80), { name: 'seldom', onChange: 'cut' })
  const held = await client.holds(gateway.outside, 8020)
  expect((await client.asks(gateway.outside, 8020)).identity).toBe('server')
  const plan = await drawbridge.api.plan({
    gateway: {
      version: 1,
      lists: { near: ['198.51.100.0/24'] },
      forwards: [{ name: 'seldom', listen: 'tcp/8020', to: server.at(80), from: 'near', on_change: 'cut' }],
    },
  })
  expect(plan.flows).toMatchObject([{ forward: 'seldom', fate: 'break', flows: 1 }])
  expect(plan.warnings).toEqual([])
  await held.end()
})

test('a plan that the world has moved away from is refused, on the command line too', async () => {
  const { server } = lab
  const planned = await drawbridge.cli(['close', 'untouched', '--dry-run'])
  const based = /--based (\d+)/.exec(planned.stdout)?.[1] ?? ''
  await drawbridge.opens('tcp/8009', server.at(80))
  const refused = await drawbridge.cli(['close', 'untouched', '--based', based])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`made on generation ${based}`)])
  expect((await drawbridge.api.forward('untouched')).state).toBe('on')
  const again = /--based (\d+)/.exec((await drawbridge.cli(['close', 'untouched', '--dry-run'])).stdout)?.[1]
  expect((await drawbridge.cli(['close', 'untouched', '--based', again ?? ''])).code).toBe(0)
})

test('several names are one change: all of them, or none', async () => {
  const { server } = lab
  await drawbridge.opens('tcp/8010', server.at(80), { name: 'one' })
  await drawbridge.opens('tcp/8011', server.at(80), { name: 'two' })
  const { generation } = await drawbridge.api.status(0)
  await expect(drawbridge.api.close({ names: ['one', 'tow'] })).rejects.toThrow(/no forward/)
  expect((await drawbridge.api.forward('one')).state).toBe('on')
  const closed = await drawbridge.cli(['close', 'one', 'tcp/8011'])
  expect(closed.stdout.trim().split('\n')).toHaveLength(2)
  expect((await drawbridge.api.status(0)).generation).toBe(generation + 1)
})

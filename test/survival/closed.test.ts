/** What a closed forward does with its connections holds also when the agent dies before it has done it. */
import { expect, test } from 'vitest'
import { startScene } from './scene.ts'

test('cut: they end, though the agent dies between closing the forward and ending them', async (t) => {
  const { lab, drawbridge, pointTrap } = await startScene(t)
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp/8000', server.at(80), { name: 'web', onChange: 'cut' })
  const held = await client.holds(gateway.outside, 8000)
  await pointTrap('mending').lay()
  await drawbridge.closes('web')
  await expect.poll(async () => (await held.look()).end, { timeout: 10_000 }).not.toBe('held')
})

test('keep: they go on, though the agent is started anew', async (t) => {
  const { lab, drawbridge } = await startScene(t)
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp+udp/8000', server.at(80), { name: 'web', onChange: 'keep' })
  const held = await Promise.all(
    (['tcp', 'udp'] as const).map((protocol) => client.holds(gateway.outside, 8000, { protocol })),
  )
  await drawbridge.closes('web')
  await drawbridge.kill9('agent')
  await expect.poll(async () => (await drawbridge.api.status(5)).ready, { timeout: 20_000 }).toBe(true)
  await expect(client.asks(gateway.outside, 8000)).rejects.toThrow(/refused/)
  const sent = async () => (await Promise.all(held.map((one) => one.look()))).map((report) => report.sent)
  const [before = 0] = await sent()
  await expect.poll(async () => Math.min(...(await sent())), { timeout: 10_000 }).toBeGreaterThan(before + 10)
  for (const { end, inOrder, refusals } of await Promise.all(held.map((one) => one.end())))
    expect([end, inOrder, refusals]).toEqual(['held', true, 0])
})

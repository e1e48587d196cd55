/** Steady senders of datagrams: connection tracking remembers where their first packet went, so somebody has to move them. */
import { expect, test } from 'vitest'
import { startScene } from '../survival/scene.ts'

/** A scene whose gateway answers on UDP port 8200 itself, while no forward takes it. */
async function begin(t: Parameters<typeof startScene>[0]) {
  const scene = await startScene(t)
  const { client, gateway, server } = scene.lab
  await gateway.answers('udp', 8200)
  // Seldom, so that no answer is on its way when its connection is ended: that would make it known from the other side.
  const holds = () => client.holds(gateway.outside, 8200, { protocol: 'udp', every: 1000 })
  const opens = () => scene.drawbridge.opens('udp/8200', server.at(80), { name: 'web', takeOver: true })
  return { ...scene, holds, opens }
}

const moves = (sender: { look(): Promise<{ readonly identities: readonly string[] }> }) =>
  expect
    .poll(async () => (await sender.look()).identities, { timeout: 10_000 })
    .toEqual(['gateway', 'server'])

test('one that sends when the lockdown is lifted', async (t) => {
  const { drawbridge, holds, opens } = await begin(t)
  await opens()
  await drawbridge.api.lockdown({ lift: false })
  const sender = await holds()
  expect(sender.answer.identity).toBe('gateway')
  await drawbridge.api.lockdown({ lift: true })
  await moves(sender)
})

test('one that began while our table was gone', async (t) => {
  const { lab, drawbridge, holds, opens } = await begin(t)
  await opens()
  const agent = drawbridge.pid('agent') ?? 0
  process.kill(agent, 'SIGSTOP')
  await lab.gateway.nft('delete table inet drawbridge')
  const sender = await holds()
  process.kill(agent, 'SIGCONT')
  expect(sender.answer.identity).toBe('gateway')
  await moves(sender)
})

test('one that sends when the agent dies between opening the forward and moving it', async (t) => {
  const { pointTrap, holds, opens } = await begin(t)
  const sender = await holds()
  await pointTrap('mending').lay()
  await opens()
  await moves(sender)
})

/** Restarts and upgrades of both processes under load: no new connection fails, nothing that is held notices. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { amount } from '../amount.ts'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { startLab } from '../lab/lab.ts'

const restarts = amount(3, 20)
const connections = amount(1000, 10_000)

test(`${restarts} restarts under load, ${connections} new connections: none fails, no stream stalls`, {
  timeout: restarts * 10_000 + 120_000,
}, async (t) => {
  const lab = await startLab(t)
  const { client, gateway, server } = lab
  await server.answers('tcp', 80)
  await server.answers('udp', 80)
  const drawbridge = await startDrawbridge(lab)
  await drawbridge.opens('tcp+udp/8000', server.at(80), { from: ['203.0.113.0/24'] })
  const held = await Promise.all(
    (['tcp', 'udp'] as const).map((protocol) => client.holds(gateway.outside, 8000, { protocol })),
  )
  // Nothing of ours is in the way of this one: when it stalls, the machine is busy.
  await gateway.answers('tcp', 2222)
  const control = await client.holds(gateway.outside, 2222)
  const load = await client.loads(gateway.outside, 8000, { timeout: 5000 })
  for (let restart = 0; restart < restarts; restart += 1) {
    // By a signal as a service manager does, and by none, which leaves no time to tidy up.
    if (restart % 2 === 0) await drawbridge.stop()
    else await drawbridge.kill9()
    // Another version makes another static part: this one no longer knows what it finds, and loads its own over it.
    if (restart % 3 === 2) rmSync(join(drawbridge.state, 'agent', 'skeleton.txt'))
    await drawbridge.start()
  }
  while ((await load.look()).asked < connections) await sleep(50)
  const { asked, failures, longest, identities } = await load.end()
  expect(failures).toEqual([])
  expect(asked).toBeGreaterThanOrEqual(connections)
  expect(identities).toEqual(['server'])
  const reports = await Promise.all(held.map((one) => one.end()))
  for (const { end, inOrder, refusals } of reports)
    expect([end, inOrder, refusals]).toEqual(['held', true, 0])
  const stalls = reports.map(({ longestStall }) => longestStall)
  const busy = (await control.end()).longestStall
  expect(Math.max(...stalls) - busy).toBeLessThan(500)
  console.log(
    `${restarts} restarts: 0 of ${asked} new connections failed, the slowest took ${longest} ms; streams of TCP and UDP stalled for at most ${stalls.join(' and ')} ms, one past Drawbridge for ${busy} ms`,
  )
})

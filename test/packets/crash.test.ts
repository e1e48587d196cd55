/**
 * kill -9 in the middle of changes, again and again: what was acknowledged is there, what was closed stays closed, the
 * kernel and the store agree after the restart, and nobody's connection is cut. CRASHES=n makes it longer.
 */
import { expect, test } from 'vitest'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { startLab } from '../lab/lab.ts'

const crashes = Number(process.env.CRASHES ?? 15)
const ports = Array.from({ length: 8 }, (_, index) => 8100 + index)

test(`${crashes} crashes at any point of a change`, { timeout: crashes * 4000 + 30_000 }, async (t) => {
  const lab = await startLab(t)
  const { client, gateway, server } = lab
  await server.answers('tcp', 80)
  const drawbridge = await startDrawbridge(lab)
  await drawbridge.opens('tcp/8000', server.at(80))
  const held = await client.holds(gateway.outside, 8000)
  /** What the last acknowledged command of each port made of it, and ports whose last command was cut off. */
  const open = new Set<number>()
  let unsure = new Set<number>()
  let seed = 20261124
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * below)
  }

  const toggle = async (port: number) => {
    unsure.add(port)
    if (open.has(port)) await drawbridge.closes(`tcp-${port}`)
    else await drawbridge.opens(`tcp/${port}`, server.at(80))
    if (!open.delete(port)) open.add(port)
    unsure.delete(port)
  }

  let over = false
  /** Changes one port after the other, until the connection to a dead process fails or it is over. */
  const busy = async () => {
    while (!over) {
      try {
        await toggle(ports[random(ports.length)] ?? 8100)
      } catch {
        return
      }
    }
  }

  for (let crash = 0; crash < crashes; crash += 1) {
    const part = (['agent', 'controller', undefined] as const)[random(3)]
    over = false
    const changes = busy()
    await new Promise((resolve) => setTimeout(resolve, 5 + random(120)))
    await drawbridge.kill9(part)
    over = true
    if (part === undefined) await drawbridge.start()
    await changes
    const { code, stderr } = await drawbridge.cli(['status', '--wait', '10s'])
    expect([crash, part, code, stderr]).toEqual([crash, part, 0, ''])

    const { forwards } = await drawbridge.api.forwards()
    const stored = new Set(forwards.map(({ name }) => Number(name.slice(4))))
    for (const port of ports) {
      const answered = await client.asks(gateway.outside, port, { timeout: 1000 }).then(
        () => true,
        () => false,
      )
      expect([crash, part, port, 'kernel', answered]).toEqual([crash, part, port, 'kernel', stored.has(port)])
      if (!unsure.has(port)) {
        expect([crash, part, port, 'acknowledged', stored.has(port)]).toEqual([
          crash,
          part,
          port,
          'acknowledged',
          open.has(port),
        ])
      }
      if (stored.has(port)) open.add(port)
      else open.delete(port)
    }
    unsure = new Set()
  }
  expect(await drawbridge.api.verify()).toMatchObject({ broken: null })
  expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
})

const restarts = Number(process.env.RESTARTS ?? 3)

test(`${restarts} restarts under load: no new connection fails, no stream stalls`, {
  timeout: restarts * 5000 + 30_000,
}, async (t) => {
  const lab = await startLab(t)
  const { client, gateway, server } = lab
  await server.answers('tcp', 80)
  const drawbridge = await startDrawbridge(lab)
  await drawbridge.opens('tcp/8000', server.at(80), { from: ['203.0.113.0/24'] })
  const held = await client.holds(gateway.outside, 8000)
  const seen = { asked: 0, failed: 0 }
  let over = false
  const load = (async () => {
    while (!over) {
      seen.asked += 1
      await client.asks(gateway.outside, 8000, { timeout: 1000 }).catch(() => {
        seen.failed += 1
      })
    }
  })()
  for (let restart = 0; restart < restarts; restart += 1) await drawbridge.restart()
  over = true
  await load
  expect(seen.failed).toBe(0)
  expect(seen.asked).toBeGreaterThan(restarts * 100)
  const { end, inOrder, longestStall } = await held.end()
  expect([end, inOrder]).toEqual(['held', true])
  expect(longestStall).toBeLessThan(500)
})

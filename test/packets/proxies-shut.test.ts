/** Ports of proxies: past its forward, its sources and its limits, nobody gets to one, whenever it listens. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { startLab } from '../lab/lab.ts'

const patient = { timeout: 20_000, interval: 100 }
/** The port that the first forward gets. */
const first = [
  ['haproxy', 61_002],
  ['nginx', 61_003],
] as const

test.for(first)(
  'a port of %s is shut before it listens and until it does not',
  {
    timeout: 90_000,
  },
  async ([via, local], t) => {
    const lab = await startLab(t)
    const { client, gateway, server } = lab
    await server.answers('tcp', 80)
    const drawbridge = await startDrawbridge(lab)
    let over = false
    const answers: string[] = []
    const asking = (async () => {
      while (!over) {
        const answer = client.asks(gateway.outside, local, { timeout: 200 })
        answers.push(await answer.then(({ identity }) => identity, String))
        await sleep(5)
      }
    })()
    const listens = () => gateway.listens('tcp', local)
    const forward = { name: 'few', listen: 'tcp/8000', to: server.at(80), via, from: '203.0.113.2' }
    await drawbridge.api.open({ forward })
    expect(await listens()).toBe(true)
    expect((await client.asks(gateway.outside, 8000)).identity).toBe('server')
    await drawbridge.closes('few')
    await vi.waitFor(async () => expect(await listens()).toBe(false), patient)
    // Then the port is anybody's again.
    const refused = /refused/
    await vi.waitFor(() => expect(answers.at(-1)).toMatch(refused), patient)
    over = true
    await asking
    expect(answers.length).toBeGreaterThan(3)
    expect(answers.filter((one) => !/refused|timeout/.test(one))).toEqual([])
  },
)

test.for(first)(
  '%s does not go on with a forward that was closed while no agent ran',
  {
    timeout: 90_000,
  },
  async ([via, local], t) => {
    const lab = await startLab(t)
    const { client, gateway, server } = lab
    await server.answers('tcp', 80)
    const drawbridge = await startDrawbridge(lab)
    await drawbridge.api.open({ forward: { name: 'web', listen: 'tcp/8000', to: server.at(80), via } })
    expect(await gateway.listens('tcp', local)).toBe(true)
    const before = drawbridge.pid('agent')
    await drawbridge.kill9('agent')
    // It is kept, and not yet in force.
    await drawbridge.closes('web').catch(() => {})
    await vi.waitFor(() => {
      const now = drawbridge.pid('agent')
      expect(now !== undefined && now !== before).toBe(true)
    }, patient)
    await vi.waitFor(async () => expect(await gateway.listens('tcp', local)).toBe(false), patient)
    await expect(client.asks(gateway.outside, 8000)).rejects.toThrow(/refused/)
    await vi.waitFor(
      async () =>
        expect(await gateway.run('nft', ['list', 'table', 'inet', 'drawbridge'])).not.toContain(`${local}`),
      patient,
    )
  },
)

test.for(['haproxy', 'nginx'] as const)(
  'a lockdown ends connections through %s at the proxy too, though nobody says anything',
  {
    timeout: 90_000,
  },
  async (via, t) => {
    const lab = await startLab(t)
    const { client, gateway, server } = lab
    await server.answers('tcp', 80)
    const drawbridge = await startDrawbridge(lab)
    await drawbridge.api.open({ forward: { name: 'web', listen: 'tcp/8000', to: server.at(80), via } })
    // They never say anything, so that nothing of theirs is refused.
    for (const to of [`TCP:${gateway.outside}:8000`, `TCP:[${gateway.outside6}]:8000`])
      client.spawn('socat', [to, 'EXEC:sleep 60'])
    const sessions = async () =>
      (
        await gateway.run('ss', [
          '-Htn',
          'state',
          'established',
          'sport',
          '>=',
          ':61000',
          'sport',
          '<=',
          ':61100',
        ])
      )
        .split('\n')
        .filter((line) => line !== '').length
    await vi.waitFor(async () => expect(await sessions()).toBe(2), patient)
    await drawbridge.cli(['lockdown', '--confirm', '0'])
    await vi.waitFor(async () => expect(await sessions()).toBe(0), patient)
  },
)

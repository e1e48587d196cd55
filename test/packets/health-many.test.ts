/** Checks of hundreds of targets in a second, and of targets that a name leads to. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { startDnsmasq } from '../lab/dns.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { privateEtc } from '../lab/etc.ts'
import { startLab } from '../lab/lab.ts'

vi.setConfig({ testTimeout: 120_000 })

const patience = { timeout: 30_000, interval: 100 }

const status = async ({ api }: Drawbridge) => (await api.status(0)).health

/** Seconds of processor time that a process has had (proc(5), fields 14 and 15 of stat, in hundredths). */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const memory = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

test('400 checks in a second do no harm: none is late, nothing fails, and who dies among them is found out', async (t) => {
  const lab = await startLab(t)
  const drawbridge = await startDrawbridge(lab)
  const [first, count] = [20_000, 400]
  const serving = await lab.server.answers('tcp', `${first}-${first + count / 2 - 1}`)
  await lab.other.answers('tcp', `${first}-${first + count / 2 - 1}`)
  await lab.server.answers('tcp', 80)
  const health = { check: 'tcp', every: '1s', timeout: '400ms', fall: 2 }
  const pool = (name: string, listen: string, host: typeof lab.server) => ({
    name,
    listen,
    to: Array.from({ length: count / 2 }, (_, index) => host.at(first + index)),
    health,
  })
  const web = { name: 'web', listen: 'tcp/8080', to: lab.server.at(80) }
  const forwards = [web, pool('one', 'tcp/8081', lab.server), pool('two', 'tcp/8082', lab.other)]
  await drawbridge.api.apply({ gateway: { version: 1, forwards } })
  await expect.poll(() => status(drawbridge), patience).toMatchObject({ checked: count, down: 0, waiting: 0 })

  const agent = drawbridge.pid('agent') ?? 0
  const load = await lab.client.loads(lab.gateway.outside, 8080)
  const asked = await lab.server.watches('ip saddr 10.0.0.1 tcp flags & (syn | ack) == syn')
  const before = { packets: await asked.count(), time: processorTime(agent), at: performance.now() }
  await sleep(5000)
  const seconds = (performance.now() - before.at) / 1000
  const rate = (2 * ((await asked.count()) - before.packets)) / seconds
  const share = (processorTime(agent) - before.time) / seconds
  const { failures, longest, asked: connections } = await load.end()
  console.info(
    `${Math.round(rate)} checks a second take ${Math.round(share * 100)} % of a processor and ${Math.round(memory(agent))} MB; ` +
      `${connections} connections beside them, the longest ${longest} ms`,
  )
  // Each target is asked every 800 ms, and 5 % more often at most; a machine that is busy asks a little late.
  expect(rate).toBeGreaterThan(300)
  expect(rate).toBeLessThan(600)
  expect(await status(drawbridge)).toMatchObject({ checked: count, down: 0, waiting: 0 })
  expect(failures).toEqual([])

  await serving.stop()
  await expect
    .poll(() => status(drawbridge), patience)
    .toMatchObject({ down: count / 2, downIn: { one: count / 2 } })
  expect((await drawbridge.cli(['status'])).stdout).toContain('targets: 400 checked, 200 down')
  await expect(lab.client.asks(lab.gateway.outside, 8081)).rejects.toThrow(/refused/)
  await lab.client.asks(lab.gateway.outside, 8082)
})

test('each address that a name leads to is checked, and no longer than it does', async (t) => {
  const lab = await startLab(t)
  const etc = await privateEtc(lab)
  await etc.writes('resolv.conf', 'nameserver 127.0.0.1\n')
  const hosts = '10.0.0.5 app.example.org\n10.0.0.6 app.example.org\n'
  const dns = await startDnsmasq({ address: '127.0.0.1', hosts, ttl: 1 }, (command, args) =>
    lab.gateway.spawn(command, args),
  )
  lab.defer(() => dns.end())
  const drawbridge = await startDrawbridge(lab, etc.under)
  const serving = await lab.server.answers('tcp', 80)
  await lab.other.answers('tcp', 80)
  const health = { check: 'tcp', every: '400ms', timeout: '200ms', fall: 2, rise: 1 }
  await drawbridge.api.apply({
    gateway: {
      version: 1,
      forwards: [{ name: 'web', listen: 'tcp/8080', to: 'app.example.org:80', health }],
    },
  })
  const states = async () => {
    const { endpoints = [] } = await drawbridge.api.forward('web')
    return Object.fromEntries(endpoints.map(({ at, checked }) => [at, checked?.state]))
  }
  await expect.poll(states, patience).toEqual({ '10.0.0.5:80': 'up', '10.0.0.6:80': 'up' })
  await serving.stop()
  await expect.poll(states, patience).toEqual({ '10.0.0.5:80': 'down', '10.0.0.6:80': 'up' })
  for (let times = 0; times < 6; times += 1)
    expect((await lab.client.asks(lab.gateway.outside, 8080)).identity).toBe('other')
  await dns.says('10.0.0.6 app.example.org\n')
  await expect.poll(states, patience).toEqual({ '10.0.0.6:80': 'up' })
  const arriving = await lab.server.watches('ip saddr 10.0.0.1 tcp dport 80')
  await sleep(1500)
  expect(await arriving.count()).toBe(0)
})

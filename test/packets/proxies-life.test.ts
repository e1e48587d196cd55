/** Proxies over the lives and deaths of the processes of Drawbridge, and beside what else runs on a gateway. */

import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { canRunUfw, startUfw } from '../lab/ufw.ts'

const patient = { timeout: 20_000, interval: 100 }
const proxies = [
  ['haproxy', 8000],
  ['nginx', 8001],
] as const

/** Somebody else's HAProxy, with a port and a target of its own. */
async function foreign(lab: Lab): Promise<{ readonly pid: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-foreign-'))
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'haproxy.cfg')
  const text = 'defaults\n  mode tcp\n  timeout client 1h\n  timeout server 1h\n  timeout connect 3s\n'
  await writeFile(file, `${text}listen theirs\n  bind :7000\n  server one ${lab.other.at(80)}\n`)
  await chmod(directory, 0o755)
  const running = lab.gateway.spawn('haproxy', ['-db', '-f', file])
  await vi.waitFor(async () => expect(await lab.gateway.listens('tcp', 7000)).toBe(true), patient)
  return running
}

test('whoever dies or is started again, connections through proxies go on and new ones come; down --all ends ours alone', {
  timeout: 120_000,
}, async (t) => {
  const lab = await startLab(t)
  const { client, gateway, server, other } = lab
  await server.answers('tcp', 80)
  await other.answers('tcp', 80)
  const theirs = await foreign(lab)
  const drawbridge = await startDrawbridge(lab)
  const pidOf = (via: string) =>
    Number(readFileSync(join(drawbridge.state, 'run', 'proxy', `${via}.pid`), 'utf8'))
  for (const [via, port] of proxies)
    await drawbridge.api.open({ forward: { name: via, listen: `tcp/${port}`, to: server.at(80), via } })
  const before = proxies.map(([via]) => pidOf(via))
  const held = await Promise.all(proxies.map(([, port]) => client.holds(gateway.outside, port)))
  const loads = await Promise.all(
    proxies.map(([, port]) => client.loads(gateway.outside6, port, { every: 20 })),
  )

  await drawbridge.kill9('agent')
  await drawbridge.kill9('proxies')
  await vi.waitFor(async () => {
    // Both are there again, and changes get through to the proxies that they have found.
    await drawbridge.api.apply({
      gateway: {
        version: 1,
        forwards: proxies.map(([via, port]) => ({ name: via, listen: `tcp/${port}`, to: other.at(80), via })),
      },
    })
    for (const [, port] of proxies) expect((await client.asks(gateway.outside, port)).identity).toBe('other')
  }, patient)
  await drawbridge.restart()
  await drawbridge.kill9()
  for (const [, port] of proxies) expect((await client.asks(gateway.outside, port)).identity).toBe('other')
  await drawbridge.start()

  for (const one of loads) expect((await one.end()).failures).toEqual([])
  for (const one of held) expect((await one.look()).end).toBe('held')
  expect(proxies.map(([via]) => pidOf(via))).toEqual(before)
  const sessions = () =>
    gateway.run('sh', ['-c', `ps -o stat=,args= -g ${before.join(',')} | grep -v '^Z' || true`])
  expect(await sessions()).toContain('haproxy')

  expect((await drawbridge.cli(['down', '--all'])).code).toBe(0)
  await vi.waitFor(async () => {
    for (const [, port] of proxies)
      await expect(client.asks(gateway.outside, port)).rejects.toThrow(/refused/)
    const listening = await gateway.run('ss', ['-Hltn'])
    expect(listening).not.toMatch(/:6[1-4]\d{3} /)
  }, patient)
  // Nor do their former workers go on with those who were connected.
  expect(await sessions()).toBe('')
  for (const one of held) expect((await one.end()).end).not.toBe('held')
  expect((await client.asks(gateway.outside, 7000)).identity).toBe('other')
  process.kill(theirs.pid, 0)
})

test('workers of an nginx whose master and keeper were killed keep their connections and give up the ports', {
  timeout: 60_000,
}, async (t) => {
  const lab = await startLab(t)
  const { client, gateway, server, other } = lab
  await server.answers('tcp', 80)
  await other.answers('tcp', 80)
  const drawbridge = await startDrawbridge(lab)
  const opens = (to: string) =>
    drawbridge.api.apply({
      gateway: { version: 1, forwards: [{ name: 'web', listen: 'tcp/8000', to, via: 'nginx' }] },
    })
  await opens(server.at(80))
  const held = await client.holds(gateway.outside, 8000)
  const master = Number(readFileSync(join(drawbridge.state, 'run', 'proxy', 'nginx.pid'), 'utf8'))
  await drawbridge.kill9('proxies')
  process.kill(master, 'SIGKILL')
  await opens(other.at(80))
  await vi.waitFor(async () => {
    expect((await client.asks(gateway.outside, 8000)).identity).toBe('other')
  }, patient)
  expect((await held.end()).end).toBe('held')
})

test.runIf(canRunUfw)(
  'where ufw denies what comes in (wants root of the machine), its sources alone get to a forward through a proxy',
  { timeout: 120_000 },
  async (t) => {
    const lab = await startLab(t)
    const { client, gateway, server } = lab
    await server.answers('tcp', 80)
    const ufw = await startUfw(lab)
    await ufw.runs('enable')
    await ufw.runs('reload')
    const drawbridge = await startDrawbridge(lab, ufw.under)
    const from = '203.0.113.2'
    await drawbridge.api.open({
      forward: { name: 'behind', listen: 'tcp/8000', to: server.at(80), via: 'haproxy', from },
    })
    const asks = (source: string) => client.asks(gateway.outside, 8000, { from: source, timeout: 500 })
    await vi.waitFor(async () => expect((await asks(from)).identity).toBe('server'), patient)
    await expect(asks('203.0.113.3')).rejects.toThrow(/timeout/)
    await drawbridge.closes('behind')
    await vi.waitFor(async () => expect(await ufw.runs('status')).not.toContain('drawbridge'), patient)
  },
)

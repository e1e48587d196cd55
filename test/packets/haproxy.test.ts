/** Forwards through an HAProxy of our own: what translation in the kernel cannot do. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ForwardDocument } from '../../src/model/document.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await lab.other.answers('tcp', 80)
})
afterAll(() => lab?.close())

const opens = (forward: ForwardDocument) => drawbridge.api.open({ forward: { via: 'haproxy', ...forward } })

test('clients of both families reach a target of either, and the gateway itself does too', async () => {
  const { client, gateway, server } = lab
  await opens({ listen: 'tcp/8080', to: server.at(80) })
  expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')
  expect((await client.asks(gateway.outside6, 8080)).identity).toBe('server')
  expect((await gateway.asks(gateway.outside, 8080)).identity).toBe('server')
  await opens({ listen: 'tcp/8081', to: server.at6(80) })
  // The proxy connects by itself, from the gateway's own address.
  expect(await client.asks(gateway.outside, 8081)).toMatchObject({
    identity: 'server',
    peer: gateway.inside6,
  })
})

test('a port of the proxy itself is shut to everybody, and the way to it by the forward is open', async () => {
  const { client, gateway, server } = lab
  await opens({ listen: 'tcp/8082', to: server.at(80) })
  const listening = await gateway.run('ss', ['-Hltn'])
  const ports = [...listening.matchAll(/0\.0\.0\.0:(6[1-4]\d{3})/g)].map(([, port]) => Number(port))
  expect(ports.length).toBeGreaterThan(0)
  for (const port of ports) {
    const watching = await gateway.watches(`tcp dport ${port}`)
    for (const address of [gateway.outside, gateway.outside6, gateway.inside])
      await expect(client.asks(address, port, { timeout: 300 })).rejects.toThrow(/timeout|unreachable/)
    for (const address of [gateway.outside, '127.0.0.1', '::1'])
      await expect(gateway.asks(address, port, { timeout: 300 })).rejects.toThrow(/timeout/)
    expect(await watching.count()).toBeGreaterThanOrEqual(2)
    await watching.stop()
  }
  expect((await client.asks(gateway.outside, 8082)).identity).toBe('server')
})

test('a target on a loopback address of the gateway, which translation cannot reach', async () => {
  const { client, gateway } = lab
  await gateway.answers('tcp', 5432, { address: '127.0.0.1' })
  await opens({ listen: 'tcp/8083', to: '127.0.0.1:5432' })
  await expect(client.asks(gateway.outside, 5432)).rejects.toThrow(/refused/)
  expect(await client.asks(gateway.outside6, 8083)).toMatchObject({ identity: 'gateway', peer: '127.0.0.1' })
})

test('ports of a range follow it, in both families', async () => {
  const { client, gateway, server } = lab
  await server.answers('tcp', '9100-9102')
  await opens({ listen: 'tcp/8100-8102', to: server.at('9100-9102') })
  for (const address of [gateway.outside, gateway.outside6])
    for (const port of [8100, 8101, 8102])
      expect(await client.asks(address, port)).toMatchObject({ identity: 'server', port: port + 1000 })
})

test('least connections: whoever has none of those that are held gets the next', async () => {
  const { client, gateway, server, other } = lab
  const forward = { name: 'least', listen: 'tcp/8084', to: [server.at(80), other.at(80)] }
  await opens({ ...forward, balance: 'least-connections' })
  const first = await client.holds(gateway.outside, 8084)
  const idle = first.answer.identity === 'server' ? 'other' : 'server'
  const held = [first]
  for (let count = 1; count <= 4; count += 1) {
    const next = await client.holds(count % 2 ? gateway.outside : gateway.outside6, 8084)
    held.push(next)
    // In turns, as each takes the place of the one with fewer.
    if (count === 1) expect(next.answer.identity).toBe(idle)
  }
  const of = (name: string) => held.filter(({ answer }) => answer.identity === name).length
  expect([of('server'), of('other')].sort()).toEqual([2, 3])
  for (const one of held) expect((await one.end()).end).toBe('held')
})

test('one that cannot be reached is skipped before the client notices, and weights, drain and addresses change without a reload', async () => {
  const { client, gateway, server, other } = lab
  const forward = { name: 'changing', listen: 'tcp/8085', balance: 'round-robin' as const }
  await opens({ ...forward, to: ['10.0.0.5:81', other.at(80)] })
  for (let count = 0; count < 4; count += 1)
    expect((await client.asks(gateway.outside, 8085)).identity).toBe('other')

  const worker = await workerPid()
  const put = (to: ForwardDocument['to']) =>
    drawbridge.api.apply({ gateway: { version: 1, forwards: [{ via: 'haproxy', ...forward, to }] } })
  await put([server.at(80), other.at(80)])
  const held = await client.holds(gateway.outside, 8085)
  const asked = async () => {
    const answers = []
    for (let count = 0; count < 8; count += 1)
      answers.push((await client.asks(gateway.outside, 8085)).identity)
    return answers.filter((name) => name === 'server').length
  }
  expect(await asked()).toBe(4)
  await put([{ host: server.ip, port: 80, weight: 3 }, other.at(80)])
  expect(await asked()).toBe(6)
  await put([{ host: server.ip, port: 80, drain: true }, other.at(80)])
  expect(await asked()).toBe(0)
  await put([server.at6(80)])
  expect(await asked()).toBe(8)
  expect((await held.end()).end).toBe('held')
  expect(await workerPid()).toBe(worker)
})

/** As its runtime API says. */
async function workerPid(): Promise<string> {
  const socket = `UNIX-CONNECT:${drawbridge.state}/run/proxy/haproxy.sock`
  const info = await lab.gateway.run('socat', ['-t', '2', '-', socket], { input: 'show info\n' })
  return /^Pid: (\d+)$/m.exec(info)?.[1] ?? ''
}

test('killed, it is started again, and status says why', async () => {
  const { client, gateway, server } = lab
  await opens({ name: 'mortal', listen: 'tcp/8086', to: server.at(80) })
  expect((await client.asks(gateway.outside, 8086)).identity).toBe('server')
  const before = pidIn('haproxy.pid')
  process.kill(before, 'SIGKILL')
  await vi.waitFor(async () => {
    expect((await client.asks(gateway.outside, 8086)).identity).toBe('server')
    expect(pidIn('haproxy.pid')).not.toBe(before)
  }, patient)
  await vi.waitFor(async () => {
    const { stdout } = await drawbridge.cli(['status'])
    expect(stdout).toMatch(/haproxy ended by itself at \S+ \(killed by SIGKILL\) and was started again/)
  }, patient)
})

const patient = { timeout: 20_000, interval: 100 }
const pidIn = (name: string) => Number(readFileSync(`${drawbridge.state}/run/proxy/${name}`, 'utf8'))

/** What HAProxy does without a reload: its servers change over its runtime API. */
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

test('weights, drain and addresses change without a reload', async () => {
  const { client, gateway, server, other } = lab
  const forward = { name: 'changing', listen: 'tcp/8085', balance: 'round-robin' as const }
  await opens({ ...forward, to: [server.at(80)] })
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

test('with on_change cut a connection to a target that goes is ended, with drain it goes on', async () => {
  const { client, gateway, server, other } = lab
  for (const [onChange, end, port] of [
    ['cut', 'closed', 8091],
    ['drain', 'held', 8092],
  ] as const) {
    const forward = { name: onChange, listen: `tcp/${port}`, via: 'haproxy', on_change: onChange } as const
    const put = (to: string) =>
      drawbridge.api.apply({ gateway: { version: 1, forwards: [{ ...forward, to }] } })
    await put(server.at(80))
    const held = await client.holds(gateway.outside, port)
    await put(other.at(80))
    expect((await client.asks(gateway.outside, port)).identity).toBe('other')
    if (end === 'closed')
      await vi.waitFor(async () => expect((await held.look()).end).not.toBe('held'), patient)
    expect((await held.end()).end === 'held').toBe(end === 'held')
  }
})

const patient = { timeout: 20_000, interval: 100 }

/** As its runtime API says. */
async function workerPid(): Promise<string> {
  const socket = `UNIX-CONNECT:${drawbridge.state}/run/proxy/haproxy.sock`
  const info = await lab.gateway.run('socat', ['-t', '2', '-', socket], { input: 'show info\n' })
  return /^Pid: (\d+)$/m.exec(info)?.[1] ?? ''
}

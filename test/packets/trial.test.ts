/** Changes on trial: in force at once, undone by themselves unless somebody who can still get in says otherwise. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await lab.other.answers('tcp', 80)
  await drawbridge.opens('tcp/8000', lab.server.at(80), { name: 'web' })
})
afterAll(() => lab?.close())

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const who = async () => (await lab.client.asks(lab.gateway.outside, 8000)).identity

/** Sends the web forward to the other server, closes nothing, opens one more; all on trial. */
const change = (seconds: number) =>
  drawbridge.api.apply({
    gateway: {
      version: 1,
      forwards: [
        { name: 'web', listen: 'tcp/8000', to: lab.other.at(80) },
        { name: 'new', listen: 'tcp/8001', to: lab.other.at(80) },
      ],
    },
    confirm: seconds,
  })

test('not confirmed: the former state is back at its time, as a generation of its own', async () => {
  const { pending, generation } = await change(2)
  expect(pending?.base).toBe(generation - 1)
  expect(await who()).toBe('other')
  await expect(drawbridge.opens('tcp/8002', lab.server.at(80))).rejects.toThrow(/waits for its confirmation/)
  await pause(1200)
  expect(await who()).toBe('other')
  await pause(1300)
  expect(await who()).toBe('server')
  await expect(lab.client.asks(lab.gateway.outside, 8001)).rejects.toThrow(/refused/)
  const [last] = await drawbridge.api.history(0, 1)
  expect(last).toMatchObject({ generation: generation + 1, how: 'revert' })
  await expect(drawbridge.api.confirm()).rejects.toThrow(/no change waits/)
})

test('confirmed over a new connection: it stays, after a boot too, and whatever else was refused meanwhile', async () => {
  const { generation } = await change(2)
  await expect(drawbridge.opens('tcp/8002', lab.server.at(80))).rejects.toThrow(/waits for its confirmation/)
  const bootFile = () => readFileSync(join(drawbridge.state, 'agent', 'boot.nft'), 'utf8')
  expect(bootFile()).not.toMatch(`end of generation ${generation},`)
  expect((await drawbridge.cli(['confirm'])).stdout).toMatch(/^kept: generation \d+/)
  expect(bootFile()).toMatch(`end of generation ${generation},`)
  await pause(2300)
  expect(await who()).toBe('other')
  await drawbridge.api.rollback({})
  expect(await who()).toBe('server')
})

test('a connection from before the change confirms nothing', async () => {
  const old = connect(join(drawbridge.state, 'run', 'api', 'api.sock'))
  await new Promise((resolve) => old.once('connect', resolve))
  await pause(20)
  await change(2)
  old.write(
    'POST /api/v1/confirm HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}',
  )
  const answer = await new Promise<string>((resolve) => old.once('data', (piece) => resolve(String(piece))))
  old.destroy()
  expect(answer).toMatch(/old-connection/)
  await pause(2300)
  expect(await who()).toBe('server')
})

test.for([['agent'], ['controller'], ['agent', 'controller'], []] as const)(
  'undone as well when %j is killed meanwhile, and without any, when all are and something starts again',
  async (parts) => {
    await change(2)
    expect(await who()).toBe('other')
    if (parts.length === 0) await drawbridge.kill9()
    else for (const part of parts) await drawbridge.kill9(part)
    await pause(2500)
    if (parts.length === 0) await drawbridge.start()
    await expect.poll(who, { timeout: 5000 }).toBe('server')
    await expect(lab.client.asks(lab.gateway.outside, 8001)).rejects.toThrow(/refused/)
  },
)

test('rollback: any older generation returns, each step forward is kept', async () => {
  const { generation: first } = await drawbridge.api.status(0)
  await drawbridge.api.close({ names: ['web'] })
  await drawbridge.opens('tcp/8000', lab.other.at(80), { name: 'second' })
  expect(await who()).toBe('other')
  const { generation } = await drawbridge.api.rollback({ to: first })
  expect(generation).toBe(first + 3)
  expect(await who()).toBe('server')
  const { lines } = await drawbridge.api.difference(first, generation)
  expect(lines).toEqual([])
  expect(
    (await drawbridge.api.difference(first, first + 2)).lines.map(({ verb, name }) => `${verb} ${name}`),
  ).toEqual(['remove web', 'add second'])
  await expect(drawbridge.api.rollback({ to: 999 })).rejects.toThrow(/no generation 999/)
})

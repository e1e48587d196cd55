/** Targets that are drained by the command line: nobody notices, and it is said when the last connection has ended. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  for (const machine of [lab.server, lab.other]) await machine.answers('tcp', '81-82')
  const forward = {
    name: 'web',
    listen: 'tcp/8080',
    to: [lab.server.at(81), lab.other.at(82)],
    balance: 'round-robin',
  }
  await drawbridge.api.apply({ gateway: { version: 1, forwards: [forward] } })
})
afterAll(() => lab?.close())

const says = (...words: string[]) => drawbridge.cli(words)
const holds = () => lab.client.holds(lab.gateway.outside, 8080)
const reached = async () => {
  const asked = [1, 2, 3, 4, 5, 6].map(() => lab.client.asks(lab.gateway.outside, 8080))
  return new Set((await Promise.all(asked)).map(({ identity }) => identity))
}

test('a target that is drained keeps what it has, and its last connection is waited for', async () => {
  const streams = [await holds(), await holds()]
  const stream = streams.find(({ answer }) => answer.identity === 'server')
  const { stdout } = await says('drain', 'web', '10.0.0.5')
  expect(stdout).toMatch(/^changed web: .*10\.0\.0\.5:81 \(draining\)/)
  expect(stdout).toContain('\n10.0.0.5:81: 1 connection still open\n')
  expect(await reached()).toEqual(new Set(['other']))

  const early = await says('drain', 'web', '10.0.0.5:81', '--wait', '1s')
  expect(early.code).toBe(1)
  expect(early.stderr).toContain('one connection to 10.0.0.5:81 did not end within 1s')
  expect((await stream?.look())?.end).toBe('held')

  const waiting = says('drain', 'web', '10.0.0.5', '--wait', '1m', '-o', 'json')
  await stream?.end()
  const waited = await waiting
  expect([waited.code, JSON.parse(waited.stdout).changed]).toEqual([0, false])
  expect((await says('drain', 'web', '10.0.0.5', '--wait', '10s')).stdout).toContain(
    'drained: the last connection has ended',
  )

  expect((await says('undrain', 'web', '10.0.0.5')).code).toBe(0)
  expect(await reached()).toEqual(new Set(['server', 'other']))
  for (const one of streams) await one.end()
  const history = await drawbridge.api.history(0, 10)
  expect(history.map(({ command }) => command).slice(0, 2)).toEqual(['undrain', 'drain'])
})

test('what is no target of the forward is refused, with the nearest one', async () => {
  const refused = await says('drain', 'web', '10.0.0.7')
  expect([refused.code, refused.stdout]).toEqual([1, ''])
  expect(refused.stderr).toMatch(/web has no target "10\.0\.0\.7"\n {2}Did you mean 10\.0\.0\.\d:8\d\?/)
  await drawbridge.opens('tcp/8081', 'self:8081', { name: 'own', takeOver: true })
  expect((await says('drain', 'own', 'self')).stderr).toContain('drawbridge disable own')
})

/** The wall clock is set by a day, timers sleep: what is over stays shut, and a trial lasts as long as it was told. */
import { globSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { amount } from '../amount.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1')

interface Timed {
  readonly lab: Lab
  readonly drawbridge: Drawbridge
  /** Sets the wall clock of both daemons, now and after a start, to so many seconds beside the true one. */
  set(seconds: number): void
}

/** Daemons whose wall clock a file says; the clocks that nobody can set stay true (libfaketime). */
async function startTimed(t: Parameters<typeof startLab>[0]): Promise<Timed> {
  const lab = await startLab(t)
  const file = join(tmpdir(), `drawbridge-clock-${lab.gateway.namespace}`)
  const set = (seconds: number) => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}s\n`)
  set(0)
  lab.defer(async () => rmSync(file, { force: true }))
  const environment = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  }
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const drawbridge = await startDrawbridge(lab, ['env', ...words])
  await lab.server.answers('tcp', 80)
  return { lab, drawbridge, set }
}

const day = 86_400
const jumps = [-day, day].slice(0, amount(1, 2))

const answers = ({ client, gateway }: Lab, port: number) =>
  client.asks(gateway.outside, port, { timeout: 1000 }).then(
    ({ identity }) => identity === 'server',
    () => false,
  )
const clockOf = async ({ drawbridge }: Timed) => Date.parse((await drawbridge.api.history(0, 1))[0]?.at ?? '')

test('the clock of the daemons is set, and nothing else', async (t) => {
  const timed = await startTimed(t)
  timed.set(day)
  await timed.drawbridge.opens('tcp/8000', timed.lab.server.at(80))
  expect((await clockOf(timed)) - Date.now()).toBeGreaterThan((day - 60) * 1000)
  expect(await answers(timed.lab, 8000)).toBe(true)
})

test.for([-day, day])('a trial lasts its window though the clock is set by %d s', async (seconds, t) => {
  const { lab, drawbridge, set } = await startTimed(t)
  const began = performance.now()
  await drawbridge.api.open({ forward: { listen: 'tcp/8000', to: lab.server.at(80) }, confirm: 4 })
  set(seconds)
  await sleep(2000 - (performance.now() - began))
  expect(await answers(lab, 8000)).toBe(true)
  await expect.poll(() => answers(lab, 8000), { timeout: 8000, interval: 100 }).toBe(false)
  expect(performance.now() - began).toBeGreaterThan(3900)
})

test.for(jumps)(
  'as long, too, when the clock is set by %d s while nothing runs; what is left of it is left',
  async (seconds, t) => {
    const { lab, drawbridge, set } = await startTimed(t)
    const began = performance.now()
    await drawbridge.api.open({ forward: { listen: 'tcp/8000', to: lab.server.at(80) }, confirm: 8 })
    await drawbridge.kill9()
    set(seconds)
    await drawbridge.start()
    expect(performance.now() - began).toBeLessThan(7000)
    expect(await answers(lab, 8000)).toBe(true)
    await expect.poll(() => answers(lab, 8000), { timeout: 12_000, interval: 100 }).toBe(false)
    expect(performance.now() - began).toBeGreaterThan(7900)
  },
)

test('a clock that is set back keeps nobody from confirming', async (t) => {
  const { lab, drawbridge, set } = await startTimed(t)
  await drawbridge.api.open({ forward: { listen: 'tcp/8000', to: lab.server.at(80) }, confirm: 4 })
  set(-day)
  expect((await drawbridge.cli(['confirm'])).stdout).toMatch(/^kept: generation \d+/)
  await sleep(5000)
  expect(await answers(lab, 8000)).toBe(true)
})

test('a controller that slept through the window undoes the change as soon as it wakes', async (t) => {
  const { lab, drawbridge } = await startTimed(t)
  await drawbridge.api.open({ forward: { listen: 'tcp/8000', to: lab.server.at(80) }, confirm: 2 })
  const pid = drawbridge.pid('controller') ?? 0
  process.kill(pid, 'SIGSTOP')
  await sleep(4000)
  expect(await answers(lab, 8000)).toBe(true)
  process.kill(pid, 'SIGCONT')
  await expect.poll(() => answers(lab, 8000), { timeout: 3000, interval: 50 }).toBe(false)
})

test('what has expired stays shut when the clock goes back a day, also over a start and a boot', async (t) => {
  const { lab, drawbridge, set } = await startTimed(t)
  const expires = new Date(Date.now() + 3000).toISOString()
  await drawbridge.opens('tcp/8000', lab.server.at(80), { expires })
  expect(await answers(lab, 8000)).toBe(true)
  await expect.poll(() => answers(lab, 8000), { timeout: 8000, interval: 100 }).toBe(false)
  set(-day)
  await sleep(1500)
  expect(await answers(lab, 8000)).toBe(false)
  await drawbridge.restart()
  expect(await answers(lab, 8000)).toBe(false)
  expect((await drawbridge.api.history(0, 1))[0]?.how).toBe('expiry')
})

test('a clock that goes back a day prolongs nothing that is open', async (t) => {
  const { lab, drawbridge, set } = await startTimed(t)
  const expires = new Date(Date.now() + 4000).toISOString()
  await drawbridge.opens('tcp/8000', lab.server.at(80), { expires })
  set(-day)
  expect(await answers(lab, 8000)).toBe(true)
  await expect.poll(() => answers(lab, 8000), { timeout: 10_000, interval: 100 }).toBe(false)
})

test('a clock that goes forward a day while nothing runs closes at the start', async (t) => {
  const { lab, drawbridge, set } = await startTimed(t)
  const expires = new Date(Date.now() + 3600 * 1000).toISOString()
  await drawbridge.opens('tcp/8000', lab.server.at(80), { expires })
  await drawbridge.stop()
  set(day)
  expect(await answers(lab, 8000)).toBe(true)
  await drawbridge.start()
  await expect.poll(() => answers(lab, 8000), { timeout: 3000, interval: 50 }).toBe(false)
  set(0)
  await drawbridge.restart()
  expect(await answers(lab, 8000)).toBe(false)
})

import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { runIn, startApi, stateDirectory, status } from './lab.ts'

test('status in one line when all is well', async () => {
  const api = await startApi(() => status())
  const ran = await runIn(api.state, ['status'])
  expect(ran).toEqual({ code: 0, out: 'ready: generation 7, 3 forwards, kernel in step\n', err: '' })
  expect(api.asked.map(({ path }) => path)).toEqual(['/api/v1/status?wait=0'])
})

test.each([
  [
    'its problem',
    { problem: Problem.of('kernel-refused', { words: 'no' }).details() },
    'the kernel refused the change: no',
  ],
  ['that the agent is away', { agent: 'away' }, Problem.of('agent-away', {}).message],
  ['how far the kernel is', { kernel: 6 }, 'kept as generation 7, but the kernel still has 6'],
  ['that the kernel is not known', { kernel: null }, 'what it holds is not known yet'],
] as const)('status tells %s and exits 1', async (_, own, message) => {
  const answer = status({ ready: false, ...own })
  const api = await startApi(() => answer)
  const ran = await runIn(api.state, ['status'])
  expect([ran.code, ran.out]).toEqual([1, ''])
  expect(ran.err).toContain(message)
  const json = await runIn(api.state, ['status', '-o', 'json'])
  expect(json.code).toBe(1)
  expect(JSON.parse(json.out)).toEqual(answer)
})

test('status names a problem beside which the kernel is in step, and exits 0', async () => {
  const problem = Problem.of('boot-file', { words: 'no space left' })
  const api = await startApi(() => status({ problem: problem.details() }))
  const { code, out, err } = await runIn(api.state, ['status'])
  expect([code, out]).toEqual([0, expect.stringMatching(/^ready: generation 7/)])
  expect(err).toContain(problem.message)
})

test('status --wait gives the server the time that is left and asks again until it is ready', async () => {
  const api = await startApi((_, { asked }) => status({ ready: asked.length > 2 }))
  expect(await runIn(api.state, ['status', '--wait', '10s'], { now: Date.now })).toMatchObject({ code: 0 })
  expect(api.asked.map(({ path }) => path)).toEqual(Array(3).fill('/api/v1/status?wait=10'))
})

test('status --wait waits for a controller that is yet to start', async () => {
  const state = stateDirectory()
  const waiting = runIn(state, ['status', '--wait', '20s'], { now: Date.now })
  await new Promise((resolve) => setTimeout(resolve, 200))
  const server = createServer((_, response) => response.end(JSON.stringify(status())))
  server.listen(join(state, 'run', 'api', 'api.sock'))
  onTestFinished(() => {
    server.close()
  })
  expect((await waiting).code).toBe(0)
})

test('status --wait ends when the time is up', async () => {
  const started = Date.now()
  const ran = await runIn(stateDirectory(), ['status', '--wait', '1s'], { now: Date.now })
  expect(ran.code).toBe(1)
  expect(ran.err).toContain('there is no such socket')
  expect(Date.now() - started).toBeGreaterThanOrEqual(1000)
})

test('down ends when the controller has ended', async () => {
  const api = await startApi(({ path }, { asked, stop }) => {
    if (asked.length === 3) stop()
    return path === '/api/v1/down' ? { cleared: false } : status()
  })
  const ran = await runIn(api.state, ['down'])
  expect(ran).toEqual({ code: 0, out: 'stopped; the forwards stay in the kernel\n', err: '' })
  expect(api.asked.map(({ path }) => path).slice(0, 2)).toEqual(['/api/v1/down', '/api/v1/status?wait=0'])
  expect(api.asked[0]?.body).toEqual({ all: false })
  expect(api.asked.length).toBe(3)
})

test('down --all clears the kernel by itself when nothing runs', async () => {
  const state = stateDirectory()
  const cleared: string[] = []
  const clearKernel = async (options: { state: string }) => {
    cleared.push(options.state)
  }
  const ran = await runIn(state, ['down', '--all', '-o', 'json'], { clearKernel })
  expect(ran.code).toBe(0)
  expect(JSON.parse(ran.out)).toEqual({ cleared: true })
  expect(cleared).toEqual([state])
})

test('down without --all is a failure when nothing runs', async () => {
  const ran = await runIn(stateDirectory(), ['down'])
  expect(ran.code).toBe(1)
  expect(ran.err).toContain('sudo drawbridge up')
})

test('down --all that fails for another reason clears nothing by itself', async () => {
  const api = await startApi(() => {
    throw Problem.of('kernel-refused', { words: 'no' })
  })
  expect((await runIn(api.state, ['down', '--all'])).code).toBe(1)
})

test('up runs both processes on the state directory and ends with their code', async () => {
  const started: string[] = []
  const up = async (options: { state: string }) => {
    started.push(options.state)
    return 7
  }
  expect((await runIn('/srv/a', ['up'], { up })).code).toBe(7)
  expect((await runIn('/srv/a', ['up', '--state', '/srv/b/'], { up })).code).toBe(7)
  expect(started).toEqual(['/srv/a', '/srv/b'])
})

test('up that is refused tells why', async () => {
  const up = () => Promise.reject(Problem.of('already-running', { state: '/srv/a', pid: 5 }))
  const ran = await runIn('/srv/a', ['up'], { up })
  expect(ran.code).toBe(1)
  expect(ran.err).toContain('another Drawbridge (process 5) already runs on /srv/a')
})

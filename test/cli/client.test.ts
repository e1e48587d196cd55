import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { connect } from '../../src/api/client.ts'
import { Problem } from '../../src/model/problem.ts'
import { startApi, stateDirectory } from './lab.ts'

test('each method is its route', async () => {
  const api = await startApi(() => ({}))
  const client = connect(api.socket)
  await client.status(5)
  await client.forwards()
  await client.forward('tcp/8080@[2001:db8::1]')
  await client.open({ forward: 'tcp/1 -> 10.0.0.5' })
  await client.close({ names: ['web'], dry_run: true })
  await client.enable({ names: ['web', 'tcp/8080'] })
  await client.disable({ names: ['web'], confirm: 60 })
  await client.gateway()
  await client.plan({ gateway: { version: 1 } })
  await client.apply({ gateway: { version: 1 }, prune: true })
  await client.audit({})
  await client.audit({ after: 7, most: 10, generation: 3, since: '2026-11-24T00:00:00Z' })
  await client.rotate(1000)
  await client.down(true)
  expect(api.asked.map(({ method, path, body }) => [method, path, body])).toEqual([
    ['GET', '/api/v1/status?wait=5', undefined],
    ['GET', '/api/v1/forwards', undefined],
    ['GET', '/api/v1/forwards/tcp%2F8080%40%5B2001%3Adb8%3A%3A1%5D', undefined],
    ['POST', '/api/v1/forwards', { forward: 'tcp/1 -> 10.0.0.5' }],
    ['POST', '/api/v1/close', { names: ['web'], dry_run: true }],
    ['POST', '/api/v1/enable', { names: ['web', 'tcp/8080'] }],
    ['POST', '/api/v1/disable', { names: ['web'], confirm: 60 }],
    ['GET', '/api/v1/gateway', undefined],
    ['POST', '/api/v1/plan', { gateway: { version: 1 } }],
    ['POST', '/api/v1/apply', { gateway: { version: 1 }, prune: true }],
    ['GET', '/api/v1/audit', undefined],
    ['GET', '/api/v1/audit?after=7&most=10&generation=3&since=2026-11-24T00%3A00%3A00Z', undefined],
    ['POST', '/api/v1/audit/rotate', { keep: 1000 }],
    ['POST', '/api/v1/down', { all: true }],
  ])
})

test.each([
  ['alice', 'alice'],
  ['al ice\r\nx: y', undefined],
  ['a'.repeat(65), undefined],
])('the person behind sudo (%j) is named only in plain letters', async (user, header) => {
  const before = process.env.SUDO_USER
  process.env.SUDO_USER = user
  try {
    const api = await startApi(() => ({}))
    await connect(api.socket).forwards()
    expect(api.asked[0]?.headers['x-drawbridge-user']).toBe(header)
  } finally {
    if (before === undefined) delete process.env.SUDO_USER
    else process.env.SUDO_USER = before
  }
})

test('a problem arrives as it was sent', async () => {
  const sent = Problem.of('no-such-forward', { name: 'wob', nearest: 'web' })
  const api = await startApi(() => {
    throw sent
  })
  const problem = await connect(api.socket)
    .forward('wob')
    .catch((error: unknown) => error)
  expect(problem).toBeInstanceOf(Problem)
  expect((problem as Problem).details()).toEqual(sent.details())
})

test.each([
  ['no socket', 'nothing.sock', 'there is no such socket'],
  ['a path too long for a socket', `${'x'.repeat(200)}.sock`, 'the path is too long for a socket'],
])('%s is a controller that is away', async (_, name, why) => {
  const socket = join(stateDirectory(), name)
  const away = Problem.of('controller-away', { socket, why })
  await expect(connect(socket).forwards()).rejects.toMatchObject({ code: away.code, message: away.message })
})

test('another server on the socket is not taken for Drawbridge', async () => {
  const api = await startApi(() => '<html>')
  await expect(connect(api.socket).forwards()).rejects.toThrow(/answers 200 in another language/)
})

test.each([
  ['203.0.113.9 51234 198.51.100.1 22', '203.0.113.9 51234 198.51.100.1 22'],
  ['2001:db8::9 51234 2001:db8::1 22', '2001:db8::9 51234 2001:db8::1 22'],
  ['203.0.113.9\r\nx: y 1 2 3', undefined],
])('the SSH session %j is told as sshd has written it, or not at all', async (session, header) => {
  vi.stubEnv('SSH_CONNECTION', session)
  const api = await startApi(() => ({}))
  await connect(api.socket).forwards()
  vi.unstubAllEnvs()
  expect(api.asked[0]?.headers['x-drawbridge-from']).toBe(header)
})

test('below sudo, which takes SSH_CONNECTION away, a parent still has it', async () => {
  const api = await startApi(() => ({ forwards: [] }))
  const client = fileURLToPath(new URL('../../bin/drawbridge', import.meta.url))
  const inner = `env -u SSH_CONNECTION '${client}' --state '${api.state}' list; true`
  const shell = spawn('sh', ['-c', inner], {
    env: { ...process.env, SSH_CONNECTION: '203.0.113.9 51234 198.51.100.1 22' },
    stdio: 'ignore',
  })
  await once(shell, 'close')
  expect(api.asked[0]?.headers['x-drawbridge-from']).toBe('203.0.113.9 51234 198.51.100.1 22')
})

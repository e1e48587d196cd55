/** The boundary between the two processes: who they are, who may speak to them, and what they take. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendLines } from '../lab/agent.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { alone } from '../lab/root.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await drawbridge.opens('tcp/8000', lab.server.at(80))
})
afterAll(() => lab?.close())

const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const CAP_NET_ADMIN = 1n << 12n
const CAP_DAC_READ_SEARCH = 1n << 2n

function statusOf(part: 'agent' | 'controller'): { uid: number; capabilities: bigint } {
  const text = readFileSync(`/proc/${drawbridge.pid(part)}/status`, 'utf8')
  return {
    uid: Number(/^Uid:\s+(\d+)/m.exec(text)?.[1]),
    capabilities: BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(text)?.[1]}`),
  }
}

function isRunning(pid: number | undefined): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('the agent keeps two capabilities of all', () => {
  expect(statusOf('agent').capabilities).toBe(CAP_NET_ADMIN | CAP_DAC_READ_SEARCH)
})

describe.runIf(!alone)('with users to become (wants root of the machine)', () => {
  test('the controller is an ordinary user without any capability', () => {
    const { uid, capabilities } = statusOf('controller')
    expect(uid).toBeGreaterThan(0)
    expect(capabilities).toBe(0n)
  })

  test('the sources may lie where only root can read them, and every answer still comes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'drawbridge-private-'))
    const own = await startLab()
    own.defer(async () => rmSync(directory, { recursive: true, force: true }))
    const [state, sources] = [join(directory, 'state'), join(directory, 'private', 'sources')]
    chmodSync(directory, 0o755)
    mkdirSync(sources, { recursive: true })
    chmodSync(join(directory, 'private'), 0o700)
    const command = `mount --bind "${repository}" "${sources}" && exec "${sources}/bin/drawbridge" --state "${state}" up`
    const up = own.gateway.spawn('unshare', ['--mount', 'sh', '-c', command])
    await up.says(/^drawbridge: ready$/m, 15_000)
    const cli = (...args: string[]) =>
      own.gateway.tries(join(repository, 'bin/drawbridge'), ['--state', state, ...args])
    expect((await cli('open', 'tcp/8000', '10.0.0.5:80')).code).toBe(0)
    expect((await cli('close', 'nothing')).code).toBe(1)
    expect((await cli('open', 'tcp/8001', 'x y')).code).toBe(2)
    expect(up.output()).not.toMatch(/started again/)
    await up.end()
    await own.close()
  })

  test('the controller’s user owns no directory in which root writes', async () => {
    const { uid } = statusOf('controller')
    const owners = ['.', 'run', 'run/agent', 'agent'].map(
      (path) => statSync(join(drawbridge.state, path)).uid,
    )
    expect(owners).toEqual([0, 0, 0, 0])
    const attack = await lab.gateway.tries('setpriv', [
      ...['--reuid', String(uid), '--regid', String(uid), '--clear-groups', 'sh', '-c'],
      `cd "${drawbridge.state}/run" && { rm -f agent.pid; ln -sf /etc/hostname agent.pid; mv agent elsewhere; }`,
    ])
    expect(attack.code).not.toBe(0)
    expect(attack.stderr).toMatch(/Permission denied/)
  })

  test('when who started them is killed, both end, and the next start is an ordinary one', async () => {
    const [agent, controller] = [drawbridge.pid('agent'), drawbridge.pid('controller')]
    await drawbridge.kill9('up')
    await expect.poll(() => [agent, controller].some((pid) => isRunning(pid)), { timeout: 5000 }).toBe(false)
    await drawbridge.start()
    expect((await drawbridge.api.status(0)).ready).toBe(true)
  })

  test('a second one in the same network is refused with words', async () => {
    const second = lab.gateway.spawn(join(repository, 'bin/drawbridge'), [
      '--state',
      `${drawbridge.state}-2`,
      'up',
    ])
    await second.says(/another agent already holds the forwards of this network namespace/, 8000)
    await second.end()
    rmSync(`${drawbridge.state}-2`, { recursive: true })
    expect((await drawbridge.api.status(0)).ready).toBe(true)
  })

  test('nobody else gets to either socket, nor to the store', async () => {
    const run = join(drawbridge.state, 'run')
    const asUser = (uid: number, path: string) =>
      lab.gateway.tries('setpriv', ['--reuid', String(uid), '--clear-groups', 'nc', '-U', '-z', path])
    const { uid } = statusOf('controller')
    for (const socket of [join(run, 'agent', 'agent.sock'), join(run, 'api', 'api.sock')]) {
      expect((await asUser(0, socket)).code).toBe(0)
      expect((await asUser(12345, socket)).stderr).toMatch(/Permission denied/)
    }
    expect(statSync(join(drawbridge.state, 'store')).mode & 0o777).toBe(0o700)
    expect(statSync(join(drawbridge.state, 'store')).uid).toBe(uid)
    expect(statSync(join(drawbridge.state, 'agent')).uid).toBe(0)
  })
})

const put = (forward: object, more: object = {}) =>
  JSON.stringify({
    id: 1,
    message: {
      verb: 'put',
      generation: 99,
      kept: true,
      base: null,
      mark: '0x2db00000/0xfff00000',
      locked: false,
      lists: [],
      removedLists: [],
      forwards: [{ number: 9, forward }],
      removed: [],
      closed: [],
      ...more,
    },
  })

test('the agent checks every value again: what the model refuses never reaches the kernel', async () => {
  const before = await lab.gateway.run('nft', ['list', 'ruleset'])
  const answers = await sendLines(drawbridge, [
    'no json at all',
    '{"id":1}',
    '{"id":1,"message":{"verb":"exec","text":"flush ruleset"}}',
    '{"id":1,"message":{"verb":"put","nft":"flush ruleset"}}',
    put({ listen: 'tcp/80; flush ruleset', to: '10.0.0.5:80' }),
    put({ listen: 'tcp/80', to: '10.0.0.5:80 }; flush ruleset' }),
    put({ listen: 'tcp/80%eth0" . ipv4', to: '10.0.0.5:80' }),
    put({ listen: 'tcp/80', to: '10.0.0.5:80' }, { mark: '0x1; flush ruleset' }),
    put({ listen: 'tcp/80', to: '10.0.0.5:80' }, { lists: [{ name: 'a b', entries: ['::/0'] }] }),
    put({ listen: 'tcp/80', to: '10.0.0.5:80', from: ['nowhere'] }),
    put({ listen: 'tcp/80', to: '127.0.0.1:80' }),
    put({ listen: 'tcp/80', to: 'localhost:80' }),
  ])
  expect(answers.filter(({ answer }) => answer !== undefined)).toEqual([])
  expect(await lab.gateway.run('nft', ['list', 'ruleset'])).toBe(before)
  expect((await drawbridge.api.status(0)).ready).toBe(true)
})

test('a second one on the same state is refused, and the first goes on', async () => {
  const second = await drawbridge.cli(['up'])
  expect(second.code).toBe(1)
  expect(second.stderr).toMatch(/another Drawbridge \(process \d+\) already runs/)
  expect((await drawbridge.api.status(0)).ready).toBe(true)
})

test('an agent in another network that starts on the same state at the same moment is refused, and the first goes on', async (t) => {
  const elsewhere = await startLab(t)
  const agent = ['--state', drawbridge.state, '--run', join(drawbridge.state, 'run')]
  const second = elsewhere.gateway.spawn(process.execPath, [join(repository, 'src/agent/main.ts'), ...agent])
  await second.says(/another agent, perhaps in another network namespace, already works on/, 15_000)
  expect(await second.ended).toBe(1)
  expect(await elsewhere.gateway.run('nft', ['list', 'tables'])).toBe('')
  expect((await drawbridge.api.status(0)).ready).toBe(true)
  await drawbridge.opens('tcp/8055', '10.0.0.5:80')
  // It goes with the process: whoever comes after a kill is let in.
  await drawbridge.kill9('agent')
  expect((await drawbridge.cli(['status', '--wait', '15s'])).code).toBe(0)
})

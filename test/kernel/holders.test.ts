/** Who serves a port, found without the privilege to look into other processes; and nobody named who might be wrong. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { cgroupRoot, findCgroup, unitIn } from '../../src/kernel/cgroups.ts'
import { readHolders } from '../../src/kernel/holders.ts'
import { readListeners, readSockets } from '../../src/kernel/listeners.ts'
import { NETLINK_SOCK_DIAG, openNetlink } from '../../src/kernel/netlink.ts'
import { describeHolder } from '../../src/model/holder.ts'
import { alone } from '../lab/root.ts'
import { enterNewNetwork } from './network.ts'

beforeAll(() => enterNewNetwork())

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

function launch(command: readonly string[], stdout: 'pipe' | 'ignore' = 'ignore'): ChildProcess {
  const [file = '', ...args] = command
  return spawn(file, args, { stdio: ['ignore', stdout, 'inherit'] })
}

const netlink = () => openNetlink(1 << 20, NETLINK_SOCK_DIAG)
const listenersAt = (port: number) => readListeners(netlink()).filter((one) => one.port === port)

/** Starts a program, under another user where one is named, and waits until it listens. */
async function serving(port: number, command: readonly string[], uid?: number): Promise<number> {
  const become = uid === undefined ? [] : ['setpriv', '--reuid', String(uid), '--clear-groups']
  const child = launch([...become, ...command])
  started.push(child)
  await expect.poll(() => listenersAt(port).length, { timeout: 10_000 }).toBeGreaterThan(0)
  return child.pid ?? 0
}

const netcat = (port: number) => ['nc', '-l', '-k', '127.0.0.1', String(port)]
const daemon = 1

describe.runIf(!alone)('as an agent that may not look into other processes (wants others to become)', () => {
  /** What such an agent says: another process, with the agent's two capabilities only. */
  async function said(port: number): Promise<string> {
    const program = `
      import { readHolders } from '${new URL('../../src/kernel/holders.ts', import.meta.url)}'
      import { readListeners } from '${new URL('../../src/kernel/listeners.ts', import.meta.url)}'
      import { openNetlink } from '${new URL('../../src/kernel/netlink.ts', import.meta.url)}'
      import { describeHolder } from '${new URL('../../src/model/holder.ts', import.meta.url)}'
      const netlink = openNetlink(1 << 20, ${NETLINK_SOCK_DIAG})
      const found = readListeners(netlink).filter(({ port }) => port === ${port})
      console.log(readHolders(netlink, found).map(describeHolder).join('; '))`
    const only = ['--bounding-set', '-all,+net_admin,+dac_read_search', '--inh-caps', '-all', '--']
    const node = [process.execPath, '--input-type=module', '--eval', program]
    const child = launch(['setpriv', ...only, ...node], 'pipe')
    let text = ''
    for await (const piece of child.stdout ?? []) text += piece
    return text.trim()
  }

  test('a program alone under its user is named with its process', async () => {
    const pid = await serving(7001, netcat(7001), daemon)
    expect(await said(7001)).toMatch(new RegExp(`^nc \\(process ${pid}( of [\\w.-]+)?, user daemon\\)$`))
  })

  test('beside another program of the same user it is not: the user alone is sure', async () => {
    await serving(7001, netcat(7001), daemon)
    expect(await said(7001)).toMatch(/^nc /)
    started.push(launch(['setpriv', '--reuid', '1', '--clear-groups', 'sleep', '60']))
    await expect.poll(() => said(7001), { timeout: 10_000 }).toMatch(/user daemon\)$/)
    await expect.poll(() => said(7001), { timeout: 10_000 }).not.toMatch(/nc|sleep|process/)
  })

  test('two processes of one program: its name, and neither number', async () => {
    await serving(7001, netcat(7001), daemon)
    await serving(7002, netcat(7002), daemon)
    expect(await said(7001)).toMatch(/^nc \(([\w.-]+, )?user daemon\)$/)
  })

  test('a user without a name is told by its number', async () => {
    await serving(7003, netcat(7003), 54321)
    expect(await said(7003)).toMatch(/user uid 54321\)$/)
  })
})

test('whoever may look into the process names it among any others', async () => {
  const pid = await serving(7004, netcat(7004))
  const [holder] = readHolders(netlink(), listenersAt(7004))
  expect(holder).toMatchObject({ program: 'nc', pid })
  expect(describeHolder(holder as NonNullable<typeof holder>)).toMatch(/^nc \(process \d+.*user \w+\)$/)
})

describe('the cgroup of a socket', () => {
  const hierarchy = () => {
    const root = mkdtempSync(join(tmpdir(), 'drawbridge-cgroups-'))
    onTestFinished(() => rmSync(root, { recursive: true }))
    for (const [path, pids] of [
      ['', '1\n'],
      ['system.slice', ''],
      ['system.slice/web.service', '812\n813\n0\n'],
      ['user.slice/user-1000.slice/session-3.scope', '900\n'],
    ] as const) {
      mkdirSync(join(root, path), { recursive: true })
      writeFileSync(join(root, path, 'cgroup.procs'), pids)
    }
    return root
  }
  const idOf = (path: string) => statSync(path, { bigint: true }).ino

  test('is found by the number of its directory, with its processes', () => {
    const root = hierarchy()
    const found = findCgroup(root, idOf(join(root, 'system.slice/web.service')))
    expect(found).toEqual({ path: 'system.slice/web.service', pids: [812, 813] })
    expect(findCgroup(root, idOf(root))).toEqual({ path: '', pids: [1] })
    expect(findCgroup(root, 1n)).toBeUndefined()
  })

  test('says which unit it is', () => {
    expect(unitIn('system.slice/web.service')).toBe('web.service')
    expect(unitIn('user.slice/user-1000.slice/session-3.scope')).toBe('session-3.scope')
    expect(unitIn('user.slice/user-1000.slice/user@1000.service/app.slice/x.service/y')).toBe('x.service')
    expect(unitIn('')).toBeNull()
  })

  test('is told by the kernel as the inode of the directory', async () => {
    const root = cgroupRoot()
    await serving(7005, netcat(7005))
    const socket = readSockets(netlink()).find(({ port }) => port === 7005)
    expect(socket?.cgroup).toBeTypeOf('bigint')
    // In a container the hierarchy may not be mounted, or begin further up.
    const found = root && findCgroup(root, socket?.cgroup ?? 0n)
    if (found) expect(found.pids).toContain(started.at(-1)?.pid)
    else expect(readHolders(netlink(), listenersAt(7005))).toMatchObject([{ unit: null, program: 'nc' }])
  })
})

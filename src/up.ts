/**
 * Starts the two processes in the foreground of this network namespace, and the keeper of proxies when it is called for, and
 * keeps them running. Beside `kernel/` the only place that starts processes: it holds the privilege that it hands to the agent
 * and keeps from the others.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { agentAt } from './agent/client.ts'
import { connect } from './api/client.ts'
import { faultFile } from './faults.ts'
import { visible } from './journal.ts'
import { Problem } from './model/problem.ts'
import { apiSocket, runDirectory, taken } from './paths.ts'

export interface UpOptions {
  readonly state: string
  /** Options for the controller, as they are. */
  readonly controller?: readonly string[]
}

interface User {
  readonly uid: number
  readonly gid: number
}

interface Layout {
  readonly state: string
  readonly run: string
  /** The user that the controller becomes, or undefined when it stays what we are. */
  readonly user: User | undefined
  /** The user of proxies, likewise. */
  readonly proxyUser: User | undefined
}

/** Runs until a signal or `drawbridge down`; gives the exit code. The kernel keeps its forwards after that. */
export async function up({ state, controller: words = [] }: UpOptions): Promise<number> {
  const layout: Layout = { state, run: runDirectory(state), ...users() }
  if (faultFile) process.stderr.write(`drawbridge: a test may end it at any point, by ${faultFile}\n`)
  await refuseSecond(layout)
  prepare(layout)
  let stopping = false
  const proxies = keeperOnCall(layout, () => stopping)
  const agent = keep('agent', layout, agentCommand(layout), () => stopping, proxies.call)
  const controller = keep('controller', layout, [...controllerCommand(layout), ...words], () => stopping)
  const stop = () => {
    stopping = true
    controller.signal('SIGTERM')
    agent.signal('SIGTERM')
    proxies.stop()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  void announce(layout, () => stopping)
  const code = await controller.ended
  stop()
  await agent.ended
  return code === taken ? 1 : 0
}

/** Removes every trace from the kernel while nothing runs. */
export async function clearKernel({ state }: UpOptions): Promise<void> {
  const layout: Layout = { state, run: runDirectory(state), ...users() }
  if (await clearedByAgent(layout)) return
  layDirectories(layout)
  const [command = '', ...args] = [...agentCommand(layout), '--clear']
  const child = spawn(command, args, { stdio: 'inherit' })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw Problem.of('kernel-refused', { words: `the agent ended with ${code}` })
  await endProxies(layout)
}

/** An agent without its controller may still run; it would put back what another one takes away. */
async function clearedByAgent({ run }: Layout): Promise<boolean> {
  const agent = agentAt(join(run, 'agent', 'agent.sock'))
  try {
    await agent.ask({ verb: 'clear' })
    return true
  } catch (error) {
    if (error instanceof Problem && error.code === 'agent-away') return false
    throw error
  } finally {
    agent.close()
  }
}

async function announce({ run }: Layout, stopping: () => boolean): Promise<void> {
  const client = connect(apiSocket(run))
  for (let told = ''; !stopping(); ) {
    const status = await client.status(5).catch(() => undefined)
    if (status?.ready) {
      process.stdout.write(greeting(status.forwards))
      return
    }
    const problem = status?.problem
    if (problem && problem.title !== told && problem.code !== 'agent-away') {
      told = problem.title
      process.stderr.write(`drawbridge: ${visible(problem.title)}\n  ${visible(problem.remedy)}\n`)
    }
    await sleep(50)
  }
}

function greeting(forwards: number): string {
  return [
    'drawbridge: ready',
    `  ${forwards === 1 ? '1 forward is' : `${forwards} forwards are`} in force. In another terminal:`,
    '    bin/drawbridge open tcp/8080 10.0.0.5:80     open a port to a host behind this one',
    '    bin/drawbridge list                          see what is open, and how it is used',
    '    bin/drawbridge --help                        everything else',
    '',
  ].join('\n')
}

async function refuseSecond({ run, state }: Layout): Promise<void> {
  const running = await connect(apiSocket(run))
    .status(0)
    .catch(() => undefined)
  if (running) throw Problem.of('already-running', { state, pid: readPid(join(run, 'controller.pid')) })
}

function readPid(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch {
    return 0
  }
}

function prepare(layout: Layout): void {
  try {
    layDirectories(layout)
  } catch (error) {
    if (error instanceof Problem) throw error
    throw Problem.of('state-unusable', { path: layout.state, why: (error as Error).message }, error)
  }
}

/**
 * state/agent is the agent's, state/store and run/api are the controller's, everything between is root's: whoever owns a
 * directory can put a link in the place of what lies in it, and root writes here. The controller's group may enter
 * run/agent; what is made there takes the group of the directory (setgid, inode(7)).
 */
function layDirectories({ state, run, user, proxyUser }: Layout): void {
  const root = user && { uid: 0, gid: 0 }
  mkdirSync(state, { recursive: true, mode: 0o755 })
  mkdirSync(dirname(run), { recursive: true, mode: 0o755 })
  lay(join(state, 'agent'), 0o700, root)
  lay(join(state, 'store'), 0o700, user)
  lay(run, 0o755, root)
  lay(join(run, 'api'), 0o755, user)
  // The agent, root's, speaks to a socket in it; what proxies keep there is theirs alone.
  lay(join(run, 'proxy'), 0o2750, proxyUser && { uid: proxyUser.uid, gid: 0 })
  lay(join(run, 'agent'), 0o2750, user && { uid: 0, gid: user.gid })
}

function lay(path: string, mode: number, owner: User | undefined): void {
  mkdirSync(path, { recursive: true })
  if (!lstatSync(path).isDirectory())
    throw Problem.of('store-unusable', { path, why: 'it is not a directory' })
  if (owner) chownSync(path, owner.uid, owner.gid)
  chmodSync(path, mode)
}

const node = process.execPath
const quiet = '--disable-warning=ExperimentalWarning'
const sourceOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** Of root's abilities the agent keeps two: to change the network, and to read its sources wherever they lie. */
function agentCommand({ state, run }: Layout): readonly string[] {
  const only = '-all,+net_admin,+dac_read_search'
  const limited =
    process.getuid?.() === 0 ? ['setpriv', '--bounding-set', only, '--inh-caps', '-all', '--'] : []
  return [...limited, node, quiet, sourceOf('agent/main.ts'), '--state', state, '--run', run, '--supervised']
}

function controllerCommand({ state, run, user }: Layout): readonly string[] {
  const become = user ? ['--uid', String(user.uid), '--gid', String(user.gid)] : []
  return [node, quiet, sourceOf('controller.ts'), '--state', state, '--run', run, '--supervised', ...become]
}

/** What network peers may break into has a user of its own: Debian has `proxy` for daemons of its kind. */
function users(): Pick<Layout, 'user' | 'proxyUser'> {
  return {
    user: userNamed('drawbridge', 'nobody'),
    proxyUser: userNamed('drawbridge-proxy', 'proxy', 'nobody'),
  }
}

/** The first of these that there is; none where we are not root, or root of one user only. */
function userNamed(...names: readonly string[]): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  const entries = lines.map((line) => line.split(':'))
  const [, , uid, gid] = names.map((one) => entries.find(([name]) => name === one)).find((one) => one) ?? []
  const user = { uid: Number(uid), gid: Number(gid) }
  return isMapped('uid', user.uid) && isMapped('gid', user.gid) ? user : undefined
}

/** A user namespace may know few users: lines of `first-inside first-outside count` (user_namespaces(7)). */
function isMapped(kind: 'uid' | 'gid', id: number): boolean {
  const lines = readFileSync(`/proc/self/${kind}_map`, 'utf8').trim().split('\n')
  return lines.some((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number)
    return first <= id && id < first + count
  })
}

/** No capability, and no way to get one. */
function proxiesCommand({ run, proxyUser }: Layout, ...words: readonly string[]): readonly string[] {
  const become = proxyUser
    ? ['--reuid', `${proxyUser.uid}`, '--regid', `${proxyUser.gid}`, '--clear-groups']
    : []
  const nothing = ['--bounding-set', '-all', '--inh-caps', '-all', '--no-new-privs', '--']
  const limited = process.getuid?.() === 0 ? ['setpriv', ...become, ...nothing] : []
  const keeper = [node, quiet, sourceOf('proxy/main.ts'), '--directory', join(run, 'proxy'), ...words]
  return [...limited, ...keeper]
}

/** The keeper of proxies is not there before a forward needs one. */
function keeperOnCall(layout: Layout, stopping: () => boolean): { call(): void; stop(): void } {
  let kept: Kept | undefined
  return {
    call: () => {
      kept ??= keep('proxies', layout, proxiesCommand(layout, '--supervised'), stopping)
    },
    stop: () => kept?.signal('SIGTERM'),
  }
}

/** They outlive the keeper. */
async function endProxies(layout: Layout): Promise<void> {
  const [command = '', ...args] = proxiesCommand(layout, '--clear')
  const child = spawn(command, args, { stdio: 'inherit' })
  await new Promise((resolve) => child.once('close', resolve))
}

interface Kept {
  /** Resolves when the process has ended on purpose: by `drawbridge down`, or after `stopping`. */
  readonly ended: Promise<number | null>
  signal(name: NodeJS.Signals): void
}

const shortestPause = 200
const longestPause = 5000

/** Starts a process, and again when it ends by itself; the pause grows while it does so at once. */
function keep(
  name: 'agent' | 'controller' | 'proxies',
  { run }: Layout,
  command: readonly string[],
  stopping: () => boolean,
  called: () => void = () => {},
): Kept {
  // Only `drawbridge down` ends the controller with 0; the others have no reason to end.
  const endsByItself = name === 'controller'
  let child: ChildProcess | undefined
  const pidFile = join(run, `${name}.pid`)
  const lives = async () => {
    for (let pause = shortestPause; ; pause = Math.min(pause * 2, longestPause)) {
      const started = Date.now()
      const [file = '', ...args] = command
      // Its standard input ends when we do, however we do: then it ends too.
      child = spawn(file, args, { stdio: ['pipe', 'inherit', 'inherit', 'pipe'] })
      child.stdio[3]?.on('data', called)
      if (child.pid) writeFileSync(pidFile, `${child.pid}\n`)
      const code = await new Promise<number | null>((resolve) => {
        child?.once('error', () => resolve(null))
        child?.once('close', resolve)
      })
      rmSync(pidFile, { force: true })
      if (stopping() || ((code === 0 || code === taken) && endsByItself)) return code
      process.stderr.write(`drawbridge: the ${name} ended (${code ?? 'killed'}) and is started again\n`)
      if (Date.now() - started > longestPause) pause = shortestPause
      await sleep(pause)
      if (stopping()) return code
    }
  }
  const ended = lives()
  return { ended, signal: (signal) => child?.kill(signal) }
}

/** Drawbridge as its users run it, in the gateway of a lab. */
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Client, connect } from '../../src/api/client.ts'
import type { Changed } from '../../src/api/shapes.ts'
import type { ForwardDocument } from '../../src/model/document.ts'
import type { Lab } from './lab.ts'
import type { Result, Running, RunOptions } from './process.ts'
import { compileCache } from './resident.ts'

/** The optional parts of a forward, as the tests write them. */
interface Wishes {
  readonly name?: string
  readonly from?: string | readonly string[]
  readonly sourceNat?: string
  readonly newPerSource?: string
  readonly openPerSource?: number
  readonly onChange?: 'drain' | 'cut' | 'keep'
  readonly expires?: string
  readonly note?: string
  readonly enabled?: boolean
  /** Ports below 1024 are meant. */
  readonly privileged?: boolean
  /** A service of the gateway on the port is to be hidden. */
  readonly takeOver?: boolean
}

type Part = 'up' | 'agent' | 'controller' | 'proxies'

export interface Drawbridge {
  /** The API, through its socket. */
  readonly api: Client
  readonly state: string
  opens(listen: string, to: string | readonly string[], wishes?: Wishes): Promise<Changed>
  closes(name: string): Promise<Changed>
  /** `bin/drawbridge --state DIR …` in the gateway. */
  cli(args: readonly string[], options?: RunOptions): Promise<Result>
  /** Ends it, if it runs, as a service manager would: the kernel keeps its forwards. */
  stop(): Promise<void>
  /** Starts it again on the same state, and waits until it is ready. */
  start(): Promise<void>
  restart(): Promise<void>
  /** Kills without a warning; `up` starts its agent or controller again, so it goes with them unless one is named. */
  kill9(part?: Part): Promise<void>
  pid(part: Part): number | undefined
  /** What it has printed since it was last started. */
  output(): string
}

const launcher = fileURLToPath(new URL('../../bin/drawbridge', import.meta.url))
/** Halves the time that loading the sources takes; nothing else is different from a start by hand. */
const quick = { NODE_COMPILE_CACHE: compileCache }
const patience = 20_000

/**
 * Starts it on an empty state, under a command if one is given and with further words for `up`, and waits until it is
 * ready; it ends with the lab.
 */
export async function startDrawbridge(
  lab: Lab,
  under: readonly string[] = [],
  words: readonly string[] = [],
): Promise<Drawbridge> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-'))
  // The controller is an ordinary user and has to pass.
  await chmod(directory, 0o755)
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  const state = join(directory, 'state')
  const api = connect(join(state, 'run', 'api', 'api.sock'))
  const life = lifeOf(lab, state, under, words)
  lab.defer(() => endProxies(join(state, 'run', 'proxy')))
  lab.defer(life.stop)
  await life.start()
  return {
    api,
    state,
    opens: (listen, to, { privileged, takeOver, ...wishes } = {}) =>
      api.open({ forward: documentOf(listen, to, wishes), privileged, take_over: takeOver }),
    closes: (name) => api.close({ names: [name] }),
    cli: (args, options = {}) =>
      lab.gateway.tries(launcher, ['--state', state, ...args], {
        ...options,
        env: { ...quick, ...options.env },
      }),
    ...life,
  }
}

function documentOf(listen: string, to: string | readonly string[], wishes: Wishes): ForwardDocument {
  const { from, sourceNat, newPerSource, openPerSource, onChange, ...same } = wishes
  const limits = {
    ...(newPerSource !== undefined && { new_per_source: newPerSource }),
    ...(openPerSource !== undefined && { open_per_source: openPerSource }),
  }
  return {
    ...same,
    listen,
    to: typeof to === 'string' ? to : [...to],
    ...(from !== undefined && { from: typeof from === 'string' ? from : [...from] }),
    ...(sourceNat !== undefined && { source_nat: sourceNat }),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(onChange !== undefined && { on_change: onChange }),
  }
}

type Life = Pick<Drawbridge, 'stop' | 'start' | 'restart' | 'kill9' | 'pid' | 'output'>

function lifeOf(lab: Lab, state: string, under: readonly string[], words: readonly string[]): Life {
  let running: Running | undefined
  const pid = (part: Part) => (part === 'up' ? running?.pid : pidIn(join(state, 'run', `${part}.pid`)))
  const start = async () => {
    const [command = launcher, ...args] = [...under, launcher, 'up', '--state', state, ...words]
    running = lab.gateway.spawn(command, args, quick)
    await running.says(/^drawbridge: ready$/m, patience)
  }
  const stop = async () => {
    await running?.end()
    running = undefined
  }
  return {
    start,
    stop,
    pid,
    output: () => running?.output() ?? '',
    restart: async () => {
      await stop()
      await start()
    },
    kill9: async (part) => {
      // `up` first: it would start the others again.
      const parts: readonly Part[] = part ? [part] : ['up', 'agent', 'controller']
      const pids = parts.flatMap((one) => pid(one) ?? [])
      for (const one of pids) process.kill(one, 'SIGKILL')
      await Promise.all(pids.map(gone))
    },
  }
}

/** Like what the kernel holds, they outlive Drawbridge. */
async function endProxies(directory: string): Promise<void> {
  const pids = ['haproxy.pid', 'nginx.pid'].flatMap((name) => pidIn(join(directory, name)) ?? [])
  for (const pid of pids) {
    try {
      // All of its session: workers of one that was killed go on without it.
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  await Promise.all(pids.map(gone))
}

function pidIn(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8')) || undefined
  } catch {
    return undefined
  }
}

/** Dead, or a zombie that its parent has yet to notice, with all its threads: until then its files are open. */
async function gone(pid: number): Promise<void> {
  for (let waited = 0; waited < 5000; waited += 5) {
    const status = statusOf(pid)
    if (!status || /^State:\s+Z[\s\S]*^Threads:\s+1$/m.test(status)) return
    await sleep(5)
  }
  throw new Error(`process ${pid} does not die`)
}

function statusOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return undefined
  }
}

/** Programs in a namespace: entered with nsenter, as `ip netns exec` would mount /sys anew, which a container forbids. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'

export interface Running {
  readonly pid: number
  /** Everything it has printed so far, stdout and stderr. */
  output(): string
  /** Waits until the output matches; throws with the output when it ends first or `timeout` milliseconds are over. */
  says(pattern: RegExp, timeout?: number): Promise<void>
  readonly ended: Promise<number | null>
  /** Asks it to end, and makes it when it does not within five seconds. */
  end(signal?: NodeJS.Signals): Promise<void>
}

export interface RunOptions {
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
}

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export const enter = (namespace: string) => ['nsenter', `--net=/run/netns/${namespace}`, '--']

/** Runs to the end, whatever the exit code. */
export function runToEnd(command: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [file = '', ...args] = command
  const env = { ...process.env, ...options.env }
  return new Promise((resolve) => {
    const child = execFile(file, args, { env, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0
      resolve({ code, stdout, stderr: stderr || (error && code === 1 ? error.message : '') })
    })
    // A program that ends without reading its input is no failure of ours.
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })
}

/** Runs to the end and gives stdout; throws with what it said on stderr unless it exits with 0. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(command, options)
  if (code !== 0) throw new Error(`${command.join(' ')}: exit ${code}\n${stderr}${stdout}`)
  return stdout
}

/** Starts a program that lives on; it is told to end when we die without a word (prctl(2), PR_SET_PDEATHSIG). */
export function start(command: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const [file = '', ...args] = ['setpriv', '--pdeathsig', 'TERM', ...command]
  const child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  const ended = endOf(child)
  return {
    pid: child.pid ?? 0,
    output: () => printed,
    says: (pattern, timeout = 10_000) =>
      new Promise((resolve, reject) => {
        const stop = () => {
          clearTimeout(timer)
          for (const stream of [child.stdout, child.stderr]) stream.off('data', look)
        }
        const fail = (why: string) => {
          stop()
          reject(new Error(`${command.join(' ')}: ${why}; it printed:\n${printed}`))
        }
        const look = () => {
          if (!pattern.test(printed)) return
          stop()
          resolve()
        }
        const timer = setTimeout(() => fail(`nothing like ${pattern} in ${timeout} ms`), timeout)
        for (const stream of [child.stdout, child.stderr]) stream.on('data', look)
        void ended.then((code) => fail(`ended with ${code}`))
        look()
      }),
    ended,
    end: (signal = 'SIGTERM') => endNow(child, ended, signal),
  }
}

/** A grandchild that lives on may hold the output open, so `close` is waited for a moment only. */
function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(null))
    child.once('close', resolve)
    child.once('exit', (code) => setTimeout(() => resolve(code), 100))
  })
}

async function endNow(child: ChildProcess, ended: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(timer)
}

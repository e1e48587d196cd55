/** Starts programs, each in the network namespace it belongs to. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const executed = promisify(execFile)
const patience = 60_000

/** A network namespace by name, and how to run things in it. */
export interface Namespace {
  readonly name: string
  /** Runs a program to its end; gives what it printed, rejects with its complaint. */
  readonly run: (file: string, ...args: string[]) => Promise<string>
  /** Starts a program that goes on until it is ended; resolves when it has printed a line that starts with `sign`. */
  readonly start: (sign: string, file: string, ...args: string[]) => Promise<Running>
}

export interface Running {
  readonly pid: number
  /** Waits until it has ended. */
  readonly end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<void>
}

export async function run(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await executed(file, args, { timeout: patience, maxBuffer: 256 * 1024 * 1024 })
  return stdout
}

export function namespace(name: string): Namespace {
  const enter = ['nsenter', `--net=/run/netns/${name}`, '--']
  const [file = '', ...args] = enter
  return {
    name,
    run: (...command) => run(file, ...args, ...command),
    start: (sign, ...command) => start(sign, file, ...args, ...endsWithUs, ...command),
  }
}

/** However we end, the kernel then tells what we started to end too. Source: PR_SET_PDEATHSIG in prctl(2). */
const endsWithUs = ['setpriv', '--pdeathsig', 'TERM', '--']

/** nsenter becomes the program, so its process id is the program's. */
async function start(sign: string, file: string, ...args: string[]): Promise<Running> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await saying(child, sign, args.join(' '))
  return {
    pid: child.pid ?? 0,
    end: async (signal) => {
      child.kill(signal)
      await closed
    },
  }
}

function saying(child: ChildProcess, sign: string, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => reject(new Error(`not ready in time: ${command}`)), patience)
    const settle = (finish: () => void) => {
      clearTimeout(giveUp)
      finish()
    }
    child.once('error', (error) => settle(() => reject(error)))
    child.once('close', () => settle(() => reject(new Error(`ended too soon: ${command}`))))
    if (child.stdout) {
      createInterface(child.stdout).on('line', (line) => {
        if (line.startsWith(sign)) settle(resolve)
      })
    }
  })
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

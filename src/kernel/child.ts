/** Programs that live on: started without a shell, in a session of their own, and outliving whoever started them. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Living {
  readonly pid: number
  /** How it ended, in words: `exit code 1`, `killed by SIGKILL`. */
  readonly ended: Promise<string>
}

/** As in `run.ts`: whatever PATH says is not asked. */
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

/** What it prints is appended to the file `log`. Undefined where there is no such program. */
export function startProgram(file: string, args: readonly string[], log: string): Living | undefined {
  const output = openSync(log, 'a', 0o600)
  const child = spawn(file, args, { detached: true, stdio: ['ignore', output, output], env: environment })
  closeSync(output)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ? `killed by ${signal}` : `exit code ${code}`))
  })
  child.unref()
  return child.pid === undefined ? undefined : { pid: child.pid, ended }
}

/** The same of one that another process has started. How it ends nobody is told. */
export function adoptProgram(pid: number, words: readonly string[]): Living | undefined {
  return runsWith(pid, words) ? { pid, ended: gone(pid, words) } : undefined
}

async function gone(pid: number, words: readonly string[]): Promise<string> {
  while (runsWith(pid, words)) await sleep(500, undefined, { ref: false })
  return 'ended while nobody waited for it'
}

/** Whether the process has these words in its command line; process numbers are used again. */
function runsWith(pid: number, words: readonly string[]): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
    return words.every((word) => line.includes(word))
  } catch {
    return false
  }
}

/** Whether there are processes of this name, and of ours, in the session of a program, be it still there itself or not. */
export function hasSession(pid: number, name: string): boolean {
  return readdirSync('/proc').some((entry) => {
    try {
      if (!/^\d+$/.test(entry) || statSync(`/proc/${entry}`).uid !== process.getuid?.()) return false
      // proc(5): pid (name) state parent group session
      const [, found, rest = ''] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/${entry}/stat`, 'latin1')) ?? []
      return found === name && rest.split(' ')[3] === String(pid) && !rest.startsWith('Z')
    } catch {
      return false
    }
  })
}

/** Tells a program, or all of its session; one that has gone meanwhile is no failure. */
export function signalProgram(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Programs of others, run without a shell: their own tools, where their rules are theirs alone to write. */
import { execFile } from 'node:child_process'

const patience = 10_000
/** A chain may hold a hundred thousand bans. */
const mostOutput = 64 * 1024 * 1024
/** Where Debian and its kin keep tools of the system; whatever PATH says is not asked. */
const path = '/usr/sbin:/usr/bin:/sbin:/bin'

export interface Ran {
  /** Null: it could not be started, or took too long. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs to the end, whatever the exit code. */
export function runProgram(file: string, args: readonly string[], input = ''): Promise<Ran> {
  const options = { timeout: patience, maxBuffer: mostOutput, env: { PATH: path, LC_ALL: 'C' } }
  return new Promise((resolve) => {
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : null) : 0
      resolve({ code, stdout, stderr: stderr || (error && code === null ? error.message : '') })
    })
    // A program that ends without reading its input is no failure of ours.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

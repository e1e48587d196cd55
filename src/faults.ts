/**
 * Named points in the path of a change at which a test has the process die, as by `kill -9` or a power cut.
 *
 * Inert in production: a point is armed by the words in a file that DRAWBRIDGE_FAULTS names, and that variable counts only
 * beside DRAWBRIDGE_LAB, which test/lab/isolate.sh sets for the private world of the tests. `drawbridge up` says so when
 * both are set. Without them a point costs one comparison.
 */
import { readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'

/** Every point there is, by the process that passes it. */
export const faultPoints = {
  controller: [
    'change-checked', // before the commit to the store
    'change-kept', // after it
    'put-sending', // before the agent is told
    'put-answered', // after its answer
    'change-in-force', // before the answer to who asked
    'confirm-asked',
    'confirm-kept',
    'revert-due',
    'revert-kept',
    'expiry-due',
    'expiry-kept',
  ],
  agent: [
    'put-read',
    'skeleton-loading', // before a transaction of the static part
    'skeleton-loaded', // after it, before its fingerprint is remembered
    'skeleton-known',
    'elements-writing', // between the static part and the elements
    'elements-written',
    'mending', // before connections are looked at
    'mending-found', // when those to end are known
    'mended',
    'boot-appending',
    'boot-torn', // half of a change is in the boot file
    'boot-appended',
    'boot-rewriting',
    'boot-rewritten',
    'file-torn', // half of the new file is written beside the old one
    'file-renaming', // all of it is, and flushed
    'file-renamed', // the directory is not flushed yet
    'put-answering',
  ],
} as const

export type FaultPoint = (typeof faultPoints)['agent' | 'controller'][number]

const { DRAWBRIDGE_FAULTS: armed, DRAWBRIDGE_LAB: lab } = process.env

/** The file whose words arm a point, or undefined where there are none. */
export const faultFile = lab ? armed : undefined

/** Dies here if this point is armed. */
export function reach(point: FaultPoint): void {
  if (faultFile !== undefined && isDue(faultFile, point)) die()
}

/** Writes `text` to an open file; if this point is armed, dies when half of it is written. */
export function writeThrough(point: FaultPoint, file: number, text: string): void {
  if (faultFile !== undefined && isDue(faultFile, point)) {
    writeSync(file, text.slice(0, text.length / 2))
    die()
  }
  writeFileSync(file, text)
}

/** `name` or `name:n`, for the n-th time it is reached. It is spent by dying, so that the next process lives. */
function isDue(file: string, point: FaultPoint): boolean {
  const [name, times = '1'] = wordsIn(file).trim().split(':')
  if (name !== point) return false
  if (Number(times) > 1) writeFileSync(file, `${name}:${Number(times) - 1}`)
  else rmSync(file)
  return Number(times) === 1
}

function wordsIn(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Nothing after it runs: a signal to oneself is delivered before kill(2) returns. */
function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('a process outlived its SIGKILL')
}

/** One line for each repair, and each target that goes down or comes up, on standard output: structured for a journal, in words for a person who watches. */
import { describeTurned, type Turned } from '../model/condition.ts'
import type { Repair } from './healing.ts'

export function journalRepair(repair: Repair): string {
  return `${JSON.stringify({ drawbridge: { repair } })}\n`
}

/** Whoever starts a process chooses its name, control characters included. */
export function spokenRepair({ by, pid, milliseconds }: Repair): string {
  const name = by.replace(/[^\x20-\x7e]/g, '?')
  return `drawbridge: repaired the table in ${milliseconds} ms, after ${name} (process ${pid}) changed it\n`
}

export function journalTurn(turned: Turned): string {
  return `${JSON.stringify({ drawbridge: { health: turned } })}\n`
}

export function spokenTurn(turned: Turned): string {
  return `drawbridge: ${describeTurned(turned)}\n`
}

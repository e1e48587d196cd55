/** One line for each repair on standard output: structured for a journal, in words for a person who watches. */
import type { Repair } from './healing.ts'

export function journalRepair(repair: Repair): string {
  return `${JSON.stringify({ drawbridge: { repair } })}\n`
}

/** Whoever starts a process chooses its name, control characters included. */
export function spokenRepair({ by, pid, milliseconds }: Repair): string {
  const name = by.replace(/[^\x20-\x7e]/g, '?')
  return `drawbridge: repaired the table in ${milliseconds} ms, after ${name} (process ${pid}) changed it\n`
}

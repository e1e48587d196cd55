/** Exit codes, on which scripts rely. */
import type { Problem } from '../model/problem.ts'

export const done = 0
export const failed = 1
export const invalid = 2
/** `plan` only: there is something to change. */
export const wouldChange = 3
/** `exposure` only: something is open that nobody declared. */
export const undeclared = 3
/** `trace` only: the probe was not answered. */
export const unanswered = 3
/** `doctor` only: something was found. As with the two above, 1 would be the command that failed. */
export const found = 3

/** Conflicts that the operator's own input made; other conflicts (a stale generation) are failures. */
const badInput: readonly string[] = [
  'listen-taken',
  'loopback-only',
  'name-taken',
  'not-shared',
  'shadows-listener',
]

export function exitCodeOf({ code, status }: Problem): number {
  return status === 400 || status === 422 || badInput.includes(code) ? invalid : failed
}

/** Names and notes: the only free text in the model. None of it ever reaches the kernel. */
import { Problem, shown } from './problem.ts'

const name = /^[A-Za-z][A-Za-z0-9._-]{0,62}$/

/** Names of forwards and lists. */
export function parseName(field: string, text: string): string {
  if (!name.test(text)) throw Problem.of('bad-name', { field, value: shown(text) })
  return text
}

export function isName(text: string): boolean {
  return name.test(text)
}

/** One line of at most 200 characters without control characters or lone surrogates. */
export function parseNote(field: string, text: string): string {
  if (text.length > 200 || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Cf}]/u.test(text)) {
    throw Problem.of('bad-text', { field, value: shown(text) })
  }
  return text
}

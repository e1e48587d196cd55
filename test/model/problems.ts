/** What the tests of the model share: the problem that a piece of work throws, and what is always true of one. */
import { expect } from 'vitest'
import { Problem } from '../../src/model/problem.ts'

/** The problem that `work` throws. Fails when it throws nothing, or an error that nobody could act on. */
export function problemOf(work: () => unknown): Problem {
  try {
    work()
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('no problem was thrown')
}

/** The value, which the test knows to be there. */
export function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('there is nothing here')
  return value
}

/** Both sentences can be printed on any terminal: one line each, short, nothing that moves the cursor or turns text around. */
export function expectClean({ message, remedy }: Problem): void {
  for (const sentence of [message, remedy]) {
    expect(sentence).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
    expect(sentence.length).toBeLessThanOrEqual(500)
    expect(sentence.trim()).not.toBe('')
  }
}

/** One row of a table of refusals: what was written, the code, and words that the sentence must have. */
export type Refusal = readonly [written: string, code: string, ...words: string[]]

/** Asserts code, field, value and words of the problem that parsing `written` makes. */
export function expectRefusal(field: string, [written, code, ...words]: Refusal, work: () => unknown): void {
  const problem = problemOf(work)
  expect(problem.code).toBe(code)
  expect(problem.message).toContain(field)
  expect(problem.message).toContain(
    JSON.stringify(written.length > 60 ? written.slice(0, 57) : written).slice(0, -1),
  )
  for (const word of words) expect(problem.message).toContain(word)
  expectClean(problem)
}

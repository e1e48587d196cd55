/** The catalogue of problems: every entry renders, and every sentence is one that a person can read and act on. */
import { describe, expect, test } from 'vitest'
import { catalogue } from '../../src/model/catalogue.ts'
import { Problem, shown } from '../../src/model/problem.ts'
import { expectClean } from './problems.ts'

/** Facts as they are in the field; whatever else an entry asks for is a word. */
const samples: Readonly<Record<string, string | number>> = {
  field: 'to',
  value: '"10.0.0.300"',
  family: 4,
  listen: 'tcp/8443',
  nearest: 'listen',
  known: 'listen, to',
  list: 'office',
  holder: 'mail',
}
const factsOf = (known: typeof samples) =>
  new Proxy(known, { get: (_, fact) => known[String(fact)] ?? 'something' })
const facts = factsOf(samples)

type Render = (facts: Readonly<Record<string, string | number>>) => string

const entries = Object.entries(catalogue).map(([code, entry]) => ({
  code,
  status: entry.status,
  says: entry.says as Render,
  remedy: entry.remedy as Render,
}))

describe.each(entries)('$code', ({ code, status, says, remedy }) => {
  const sentences = [says(facts), remedy(facts), remedy(factsOf({ ...samples, nearest: '' }))]

  test('says everything in whole words', () => {
    for (const sentence of sentences) {
      expect(sentence).not.toMatch(/undefined|null|NaN|\[object|\n|\s{2}|^\s|\s$/)
      expect(sentence.length).toBeGreaterThan(10)
      expect(sentence.length).toBeLessThan(250)
    }
  })

  test('has a code for programs, a status for HTTP and a remedy for people', () => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/)
    expect([400, 404, 409, 429, 500, 502, 503, 504, 507]).toContain(status)
    expect(says(facts)).not.toMatch(/\.$/)
    expect(remedy(facts)).toMatch(/[.?)]$/)
    expect(remedy(facts)).not.toBe(says(facts))
  })
})

describe('a problem', () => {
  const problem = Problem.of('unknown-list', { field: 'from', list: 'ofice', known: 'office' })

  test('crosses a process boundary whole', () => {
    const details: unknown = JSON.parse(JSON.stringify(problem.details()))
    expect(details).toEqual({
      code: 'unknown-list',
      status: 400,
      title: problem.message,
      remedy: problem.remedy,
    })
    expect(Problem.from(problem.details())).toMatchObject({ code: 'unknown-list', message: problem.message })
  })

  test('keeps its cause without repeating it', () => {
    const cause = new Error('ENOSPC')
    const outer = Problem.of('kernel-differs', { what: 'one element' }, cause)
    expect(outer.cause).toBe(cause)
    expect(outer.message).not.toContain('ENOSPC')
  })
})

describe('a foreign value is shown', () => {
  test.each([
    ['web', '"web"'],
    ['a"b', '"a\\"b"'],
    [5, '"5"'],
    [null, '"null"'],
    [undefined, '"undefined"'],
    [{ a: [1] }, '"{\\"a\\":[1]}"'],
    ['a\nb', '"a\\nb"'],
    ['\u0000\u001b\u007f\u0085', '"\\u0000\\u001b\\u007f\\u0085"'],
    ['\u2028\u2029\u202e\u2066', '"\\u2028\\u2029\\u202e\\u2066"'],
    ['\ud800', '"\\ud800"'],
  ])('%j as %s', (value, expected) => {
    expect(shown(value)).toBe(expected)
  })

  test('cut, so that it is short even when every character is escaped', () => {
    expect(shown('x'.repeat(1_000_000))).toBe(`"${'x'.repeat(57)}..."`)
    expect(shown('\u0000'.repeat(1000)).length).toBeLessThanOrEqual(70)
  })

  test('without the marks that turn the reading direction', () => {
    expect(shown('a\u200e\u200f\u061c')).not.toMatch(/\p{Bidi_Control}/u)
  })

  test('however deep it is nested', () => {
    const deep: unknown = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000))
    expect(() => shown(deep)).not.toThrow()
  })

  test('by a problem that is clean', () => {
    expectClean(
      Problem.of('bad-target', {
        field: 'to',
        value: shown('\n'.repeat(99)),
        why: `${shown('\n'.repeat(99))} is not`,
      }),
    )
  })
})

/** The shape of a document: keys that are not known, not there, or of another kind. */
import { describe, expect, test } from 'vitest'
import { nearest } from '../../src/model/document.ts'
import { parseForward } from '../../src/model/forward.ts'
import { expectClean, problemOf } from './problems.ts'

const web = { name: 'web', listen: 'tcp/8443', to: '10.0.0.5:443' }

describe('keys', () => {
  test.each([
    [{ ...web, lisen: 'tcp/1' }, 'lisen', 'listen'],
    [{ ...web, Note: 'x' }, 'Note', 'note'],
    [{ ...web, expire: 'x' }, 'expire', 'expires'],
    [{ ...web, limits: { new_per_sorce: '1/s' } }, 'limits.new_per_sorce', 'new_per_source'],
    [{ ...web, to: { host: '10.0.0.5', prot: 80 } }, 'to.prot', 'port'],
    [{ ...web, to: ['fd00::5', { hots: '10.0.0.5' }] }, 'to.1.hots', 'host'],
  ])('an unknown one is named, and the nearest known one too: %j', (written, field, nearest) => {
    const problem = problemOf(() => parseForward(written))
    expect(problem.code).toBe('unknown-key')
    expect(problem.message).toContain(field)
    expect(problem.remedy).toBe(`Did you mean ${nearest}?`)
  })

  test('far from every known one, all are named', () => {
    expect(problemOf(() => parseForward({ ...web, zzzzzz: 1 })).remedy).toContain(
      'listen, to, balance, on_all_down, health, from',
    )
  })

  test.each([
    [{}, 'missing-value', 'listen'],
    [{ listen: 'tcp/80' }, 'missing-value', 'to'],
    [{ ...web, enabled: 'no' }, 'bad-value', 'enabled'],
    [{ ...web, on_change: 'never' }, 'bad-value', 'drain or cut or keep'],
    [{ ...web, note: 5 }, 'bad-value', 'note'],
    [null, 'bad-value', 'document'],
    [[], 'bad-value', 'document'],
    [5, 'bad-value', 'document'],
    ['tcp/80', 'bad-value', 'tcp/8443 -> 10.0.0.5:443'],
    ['tcp/80 -> ', 'bad-value', 'forward'],
    ['tcp/80 -> 10.0.0.5 -> 10.0.0.6', 'bad-value', 'forward'],
  ])('%j', (written, code, word) => {
    const problem = problemOf(() => parseForward(written))
    expect(problem.code).toBe(code)
    expect(problem.message).toContain(word)
    expectClean(problem)
  })
})

describe('the nearest word', () => {
  test.each([
    ['lisen', 'listen'],
    ['LISTEN', 'listen'],
    ['t', 'to'],
    ['zzzzzz', ''],
    ['x'.repeat(1_000_000), ''],
  ])('to %j is %j', (word, expected) => {
    expect(nearest(word, ['listen', 'to', 'from'])).toBe(expected)
  })
})

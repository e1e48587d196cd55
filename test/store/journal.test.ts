/** The line that each change leaves on standard output. */
import { expect, test } from 'vitest'
import { journalLine, spokenLine } from '../../src/journal.ts'
import { parseForward } from '../../src/model/forward.ts'
import { parseList } from '../../src/model/gateway.ts'
import { asKept, noChange } from '../../src/model/register.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Recorded } from '../../src/store/store.ts'

function recordsOf(count: number): Recorded[] {
  const store = openMemoryStore()
  const records: Recorded[] = []
  store.onCommit((record) => record && records.push(record))
  const origin = { actor: 'root', how: 'cli', at: '2026-11-24T00:00:00.000Z', note: 'a "note"' } as const
  const put = Array.from({ length: count }, (_, index) => parseForward(`tcp/${2000 + index} -> 10.0.0.5:80`))
  store.commit({ ...noChange, put, putLists: [parseList('office', ['10.0.0.1'])] }, origin, asKept)
  store.commit({ ...noChange, remove: ['tcp-2000'] }, { ...origin, how: 'expiry' }, asKept)
  return records
}

test('structured: one line of JSON that names who, how, what and the hash', () => {
  const [added, removed] = recordsOf(2).map((record) => journalLine(record))
  expect(added?.endsWith('\n') && added.trimEnd().includes('\n')).toBe(false)
  expect(JSON.parse(added ?? '').drawbridge).toMatchObject({
    generation: 1,
    actor: 'root',
    note: 'a "note"',
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    forwards: { count: 2, first: ['added tcp-2000', 'added tcp-2001'] },
    lists: { count: 1, first: ['added office'] },
  })
  expect(JSON.parse(removed ?? '').drawbridge.forwards.first).toEqual(['removed tcp-2000'])
})

test('in words, and many are told by their first', () => {
  const [few, removed] = recordsOf(2).map((record) => spokenLine(record))
  expect(few).toBe('drawbridge: generation 1 by root: added tcp-2000, added tcp-2001, added list office\n')
  expect(removed).toBe('drawbridge: generation 2 by expiry: removed tcp-2000\n')
  expect(spokenLine(recordsOf(50)[0] as Recorded)).toMatch(/added tcp-2019, added list office, 30 more\n$/)
})

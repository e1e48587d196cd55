/** The line that each entry of the log leaves on standard output. */
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { conflictLine, journalLine, priorityPrefix, spokenConflict, spokenLine } from '../../src/journal.ts'

import { parseForward } from '../../src/model/forward.ts'
import { parseList } from '../../src/model/gateway.ts'
import { asKept, noChange } from '../../src/model/register.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { byItself } from '../../src/store/record.ts'
import type { Recorded } from '../../src/store/store.ts'
import { origin } from './changes.ts'

function recordsOf(count: number, note = 'a "note"'): Recorded[] {
  const store = openMemoryStore()
  const records: Recorded[] = []
  store.onCommit((record) => records.push(record))
  const put = Array.from({ length: count }, (_, index) => parseForward(`tcp/${2000 + index} -> 10.0.0.5:80`))
  const putLists = [parseList('office', ['10.0.0.1'])]
  store.commit({ ...noChange, put, putLists }, { ...origin, command: 'apply', note }, asKept)
  store.commit({ ...noChange, remove: ['tcp-2000'] }, byItself('expiry', origin.at), asKept)
  store.record({ ...origin, command: 'down' })
  return records
}

test('structured: one line of JSON that names who, from where, how, what, before and after, why and the hash', () => {
  const [added, removed, down] = recordsOf(2).map((record) => journalLine(record))
  expect(added?.endsWith('\n') && added.trimEnd().includes('\n')).toBe(false)
  expect(JSON.parse(added ?? '').drawbridge).toMatchObject({
    entry: 1,
    generation: 1,
    at: origin.at,
    actor: 'ada',
    uid: 1000,
    address: '198.51.100.7',
    how: 'cli',
    command: 'apply',
    note: 'a "note"',
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    forwards: { count: 2, first: ['added tcp-2000', 'added tcp-2001'] },
    lists: { count: 1, first: ['added office'] },
    change: { forwards: { 'tcp-2000': { before: null, after: { listen: 'tcp/2000', to: '10.0.0.5:80' } } } },
  })
  expect(JSON.parse(removed ?? '').drawbridge.forwards.first).toEqual(['removed tcp-2000'])
  expect(JSON.parse(down ?? '').drawbridge).toMatchObject({ entry: 3, generation: 2, command: 'down' })
})

test('a change too large for a line is told by its first names, and the line stays below what journald splits', () => {
  const line = journalLine(recordsOf(5000)[0] as Recorded)
  expect(Buffer.byteLength(line)).toBeLessThan(48 * 1024)
  expect(JSON.parse(line).drawbridge.forwards).toMatchObject({ count: 5000 })
  expect(JSON.parse(line).drawbridge.change).toBeUndefined()
})

test.each([
  ['a line break', 'x\n<0>{"drawbridge":{"actor":"root"}}'],
  ['an escape sequence', '\u001b[2J\u009b31m'],
  ['a line separator and a turned reading direction', 'a\u2028b\u202ec'],
  ['JSON', '"},{"drawbridge":{"actor":"root"}}'],
  ['half a character', '\ud800'],
])('%s in a note forges nothing: one printable line that gives the note back', (_, note) => {
  const line = journalLine(recordsOf(1, note)[0] as Recorded)
  expect(line.indexOf('\n')).toBe(line.length - 1)
  expect(line.trimEnd()).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  expect(JSON.parse(line).drawbridge).toMatchObject({ note, actor: 'ada' })
})

test('in words, and many are told by their first', () => {
  const [few, removed, down] = recordsOf(2).map((record) => spokenLine(record))
  expect(few).toBe(
    'drawbridge: generation 1 (apply by ada): added tcp-2000, added tcp-2001, added list office\n',
  )
  expect(removed).toBe('drawbridge: generation 2 (expiry): removed tcp-2000\n')
  expect(down).toBe('drawbridge: down by ada\n')
  expect(spokenLine(recordsOf(50)[0] as Recorded)).toMatch(/added tcp-2019, added list office, 30 more\n$/)
})

test('a level stands before the line where systemd says that it reads this very file, and nowhere else', () => {
  const directory = mkdtempSync(join(tmpdir(), 'drawbridge-journal-'))
  const file = openSync(join(directory, 'out'), 'w')
  onTestFinished(() => {
    closeSync(file)
    rmSync(directory, { recursive: true })
  })
  const { dev, ino } = fstatSync(file)
  expect(priorityPrefix({ JOURNAL_STREAM: `${dev}:${ino}` }, file)).toBe('<5>')
  expect(priorityPrefix({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, file)).toBe('')
  expect(priorityPrefix({}, file)).toBe('')
})

test('a conflict that has appeared, and one that is over', () => {
  expect(conflictLine('web "hides" nc', true)).toBe(
    '{"drawbridge":{"conflict":"web \\"hides\\" nc","over":false}}\n',
  )
  expect(JSON.parse(conflictLine('x', false)).drawbridge.over).toBe(true)
  expect(spokenConflict('web hides nc', true)).toBe('drawbridge: conflict: web hides nc\n')
  expect(spokenConflict('web hides nc', false)).toBe('drawbridge: no conflict any more: web hides nc\n')
  // A program is called what its user likes.
  expect(spokenConflict('web hides \u001b]0;x\u009c\u202e', true)).toBe(
    'drawbridge: conflict: web hides \\u001b]0;x\\u009c\\u202e\n',
  )
  expect(conflictLine('web hides \u009c', true)).toContain('web hides \\u009c')
})

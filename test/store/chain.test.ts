/** The chain of changes: whatever is done to it beside Drawbridge is found. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseForward } from '../../src/model/forward.ts'
import { asKept, noChange } from '../../src/model/register.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-chain-'))
  path = join(directory, 'store.db')
  const store = openSqliteStore(path)
  for (const port of [2000, 2001, 2002, 2003]) {
    const origin = {
      actor: 'root',
      how: 'cli',
      at: '2026-11-24T00:00:00.000Z',
      note: `port ${port}`,
    } as const
    store.commit({ ...noChange, put: [parseForward(`tcp/${port} -> 10.0.0.5:80`)] }, origin, asKept)
  }
  store.close()
})
afterEach(() => rmSync(directory, { recursive: true }))

function verdictAfter(...statements: string[]) {
  const database = new DatabaseSync(path)
  for (const statement of statements) database.exec(statement)
  database.close()
  const store = openSqliteStore(path)
  const { broken } = store.verify()
  store.close()
  return broken?.generation ?? null
}

test('as it was written it is whole, also after it was opened again and written on', () => {
  expect(verdictAfter()).toBeNull()
  const store = openSqliteStore(path)
  const origin = { actor: 'root', how: 'cli', at: '2026-11-25T00:00:00.000Z', note: '' } as const
  store.commit({ ...noChange, remove: ['tcp-2000'] }, origin, asKept)
  expect(store.verify()).toEqual({ entries: 5, broken: null })
  store.close()
})

test.each([
  ['a name was edited', ["UPDATE changes SET actor = 'mallory' WHERE generation = 2"], 2],
  ['a note was edited', ["UPDATE changes SET note = 'port 2009' WHERE generation = 1"], 1],
  [
    'a body was edited',
    ["UPDATE changes SET body = replace(body, '10.0.0.5', '10.0.0.6') WHERE generation = 3"],
    3,
  ],
  [
    'text moved between two fields',
    ["UPDATE changes SET actor = 'roo', how = 'tcli' WHERE generation = 2"],
    2,
  ],
  ['one is gone', ['DELETE FROM changes WHERE generation = 2'], 2],
  ['the newest is gone', ['DELETE FROM changes WHERE generation = 4'], 4],
  ['all are gone', ['DELETE FROM changes'], 1],
  [
    'two changed places',
    [
      'UPDATE changes SET generation = 9 WHERE generation = 2',
      'UPDATE changes SET generation = 2 WHERE generation = 3',
      'UPDATE changes SET generation = 3 WHERE generation = 9',
    ],
    2,
  ],
])('%s', (_, statements, generation) => {
  expect(verdictAfter(...statements)).toBe(generation)
})

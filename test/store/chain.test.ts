/** The audit log as a chain: whatever is done to it beside Drawbridge is found. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { expectClean } from '../model/problems.ts'
import { careful, closing, opening, origin } from './changes.ts'
import { verdictOf } from './log.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-chain-'))
  path = join(directory, 'store.db')
  const store = openSqliteStore(path)
  for (const port of [2000, 2001, 2002])
    store.commit(opening(`at-${port}`, port), { ...origin, note: `port ${port}` }, careful)
  store.record({ ...origin, command: 'down' })
  store.commit(closing('at-2000'), { ...origin, uid: null, command: 'close' }, careful)
  store.close()
})
afterEach(() => rmSync(directory, { recursive: true }))

async function verdictAfter(...statements: string[]) {
  const database = new DatabaseSync(path)
  for (const statement of statements) database.exec(statement)
  database.close()
  const store = openSqliteStore(path)
  const verdict = await verdictOf(store, directory)
  store.close()
  return verdict
}

/** What the agent keeps for itself. */
function seen(entry: number, hash: string): void {
  mkdirSync(join(directory, 'agent'), { recursive: true })
  writeFileSync(join(directory, 'agent', 'audit.json'), JSON.stringify({ entry, hash }))
}

function markNow() {
  const store = openSqliteStore(path)
  const { head } = store.log
  store.close()
  return head
}

test('as it was written it is whole, also after it was opened again and written on', async () => {
  expect(await verdictAfter()).toEqual({ entries: 5, missing: [], seen: null })
  const store = openSqliteStore(path)
  store.commit(closing('at-2001'), origin, careful)
  expect(await verdictOf(store, directory)).toMatchObject({ entries: 6 })
  store.close()
})

test.each([
  ['a name was edited', ["UPDATE audit SET actor = 'mallory' WHERE entry = 2"], 2],
  ['a number of a user was edited', ['UPDATE audit SET uid = 0 WHERE entry = 2'], 2],
  ['a number of a user was put where there was none', ['UPDATE audit SET uid = 0 WHERE entry = 5'], 5],
  ['an address was edited', ["UPDATE audit SET address = 'local' WHERE entry = 3"], 3],
  ['a command was edited', ["UPDATE audit SET command = 'down --all' WHERE entry = 4"], 4],
  ['a time was edited', ["UPDATE audit SET at = '2026-11-24T00:00:00.000Z' WHERE entry = 4"], 4],
  ['a generation was edited', ['UPDATE audit SET generation = 2 WHERE entry = 4'], 4],
  ['a note was edited', ["UPDATE audit SET note = 'port 2009' WHERE entry = 1"], 1],
  ['a body was edited', ["UPDATE audit SET body = replace(body, '10.0.0.5', '10.0.0.6') WHERE entry = 3"], 3],
  ['text moved between two fields', ["UPDATE audit SET actor = 'ad', how = 'acli' WHERE entry = 2"], 2],
  ['an entry was made one of the first schema', ["UPDATE audit SET command = '' WHERE entry = 2"], 2],
  ['one is gone', ['DELETE FROM audit WHERE entry = 2'], 2],
  ['the newest is gone', ['DELETE FROM audit WHERE entry = 5'], 5],
  ['all are gone', ['DELETE FROM audit'], 1],
  [
    'the newest is gone, and the head in the database as well',
    ['DELETE FROM audit WHERE entry = 5', 'UPDATE state SET entry = 4'],
    4,
  ],
  [
    'two changed places',
    [
      'UPDATE audit SET entry = 9 WHERE entry = 3',
      'UPDATE audit SET entry = 3 WHERE entry = 4',
      'UPDATE audit SET entry = 4 WHERE entry = 9',
    ],
    3,
  ],
])('%s', async (_, statements, entry) => {
  await expect(verdictAfter(...statements)).rejects.toMatchObject({
    code: 'audit-broken',
    message: expect.stringContaining(`broken at entry ${entry}:`),
  })
})

test('with what the agent has seen it is the same, and says so', async () => {
  const head = markNow()
  seen(head.entry, head.hash)
  expect(await verdictAfter()).toMatchObject({ seen: 5 })
})

test('a tail cut off together with the head in the database is found by what the agent has seen', async () => {
  const head = markNow()
  const cut = [
    'DELETE FROM audit WHERE entry = 5',
    'UPDATE state SET entry = 4, head = (SELECT hash FROM audit WHERE entry = 4)',
  ]
  expect(await verdictAfter(...cut)).toMatchObject({ entries: 4 })
  seen(head.entry, head.hash)
  const problem = await verdictAfter().catch((error) => error)
  expect(problem).toMatchObject({ code: 'audit-forked', status: 409 })
  expect(problem.message).toMatch(/seen up to entry 5: it ends at entry 4$/)
  expect(problem.remedy).toContain(`remove ${join(directory, 'agent', 'audit.json')} as root`)
  expectClean(problem)
})

test('a past written anew, with every hash made right again, is found by what the agent has seen', async () => {
  const head = markNow()
  const store = openSqliteStore(join(directory, 'forged.db'))
  for (const port of [2000, 2001, 2002, 2003, 2004])
    store.commit(opening(`at-${port}`, port), origin, careful)
  expect(await verdictOf(store, directory)).toMatchObject({ entries: 5 })
  seen(head.entry, head.hash)
  await expect(verdictOf(store, directory)).rejects.toMatchObject({
    code: 'audit-forked',
    message: expect.stringMatching(/up to entry 5: another one stands there$/),
  })
  store.close()
})

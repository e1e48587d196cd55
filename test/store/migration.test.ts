/** A database of an older shape is brought to the newest one, and nothing of it is lost or made believable anew. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { historyEntry } from '../../src/api/history.ts'
import { undoing } from '../../src/store/record.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { careful, closing, origin } from './changes.ts'
import { verdictOf } from './log.ts'

let directory: string
let store: Store

const written = readFileSync(new URL('./schema-1.sql', import.meta.url), 'utf8')

/** Opens what schema 1 wrote, after `statements` were done to it. */
function openOld(...statements: string[]): void {
  const path = join(directory, 'store.db')
  const database = new DatabaseSync(path)
  for (const statement of [written, ...statements]) database.exec(statement)
  database.close()
  store = openSqliteStore(path)
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-migration-'))
})

afterEach(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

test('of schema 1: forwards, lists, numbers, the change on trial and the history are there', () => {
  openOld()
  expect([...store.register.forwards.keys()].sort()).toEqual(['trial', 'web'])
  expect([...store.register.lists.keys()]).toEqual(['office'])
  expect([store.generation, store.nextNumber, store.numberOf('web'), store.numberOf('trial')]).toEqual([
    5, 4, 1, 3,
  ])
  expect(store.pending).toMatchObject({ base: 4 })
  expect(store.history(0, 10).map(historyEntry)).toMatchObject([
    { generation: 5, actor: 'ada', how: 'api', uid: null, address: '', command: '' },
    { generation: 4, actor: 'drawbridge', how: 'expiry' },
    { generation: 3, how: 'rollback', note: 'back to generation 1' },
    { generation: 2, how: 'lockdown' },
    { generation: 1, how: 'cli', note: 'Zoë’s "lab"', lines: [{ name: 'office' }, { name: 'web' }] },
  ])
  expect(undoing(store.history(4, 10)).remove).toEqual(['trial'])
})

test('of schema 1: its chain is whole and goes on, also into archives', async () => {
  openOld()
  store.confirm({ ...origin, command: 'confirm' })
  store.commit(closing('trial'), origin, careful)
  expect(await verdictOf(store, directory)).toEqual({ entries: 7, missing: [], seen: null })
  await store.archive(1)
  expect(store.log.base.entry).toBe(6)
  expect(await verdictOf(store, directory)).toEqual({ entries: 7, missing: [], seen: null })
})

test.each([
  ['an edited entry', "UPDATE changes SET actor = 'eve' WHERE generation = 3", 3],
  [
    'text moved between two fields',
    "UPDATE changes SET actor = 'roo', how = 'trollback' WHERE generation = 3",
    3,
  ],
  ['a missing entry', 'DELETE FROM changes WHERE generation = 2', 2],
  ['a missing end', 'DELETE FROM changes WHERE generation = 5', 5],
])('of schema 1: %s is not healed by the migration', async (_, statement, entry) => {
  openOld(statement)
  await expect(verdictOf(store, directory)).rejects.toMatchObject({
    code: 'audit-broken',
    message: expect.stringContaining(`at entry ${entry}:`),
  })
})

test.each(["command = 'open'", 'uid = 0', "address = '198.51.100.9'"])(
  'of schema 1: an entry that is given a %s afterwards is not what was written',
  async (edit) => {
    openOld()
    store.close()
    const database = new DatabaseSync(join(directory, 'store.db'))
    database.exec(`UPDATE audit SET ${edit} WHERE entry = 3`)
    database.close()
    store = openSqliteStore(join(directory, 'store.db'))
    await expect(verdictOf(store, directory)).rejects.toMatchObject({ code: 'audit-broken' })
  },
)

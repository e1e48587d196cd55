/** The store of one machine: SQLite in WAL mode, every commit flushed to the disk before it is acknowledged. */
import { DatabaseSync } from 'node:sqlite'
import { parseForward } from '../model/forward.ts'
import { parseList } from '../model/gateway.ts'
import { Problem } from '../model/problem.ts'
import { asKept, type Change, noChange } from '../model/register.ts'
import { hashOf, type Link, verifyChain } from './chain.ts'
import { type Kept, Ledger } from './ledger.ts'
import { migrate, refuseNewer } from './migrations.ts'
import { readSettings } from './record.ts'
import type { Origin, Pending, Recorded, SettingsDocument, Store } from './store.ts'

/** Opens or makes the database at `path`. Throws `store-unusable`; then the file is as it was. */
export function openSqliteStore(path: string): Store {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path)
    refuseNewer(database)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    migrate(database)
    return storeOf(database)
  } catch (error) {
    database?.close()
    throw Problem.of('store-unusable', { path, why: (error as Error).message }, error)
  }
}

function storeOf(database: DatabaseSync): Store {
  const ledger = new Ledger()
  load(database, ledger)
  const writer = prepare(database)
  return {
    get generation() {
      return ledger.generation
    },
    get nextNumber() {
      return ledger.nextNumber
    },
    register: ledger.register,
    numberOf: (name) => ledger.numberOf(name),
    get pending() {
      return ledger.pending
    },
    commit: (change, origin, circumstances, options = {}) =>
      ledger.commit(change, origin, circumstances, options, (kept) => {
        const hash = inTransaction(database, () => write(writer, change, ledger, kept))
        return hash
      }),
    confirm: () => ledger.confirm(() => void writer.confirm.run()),
    history: (after, most) => (writer.history.all(after, most) as unknown as ChangeRow[]).map(readRecord),
    verify: () => {
      const head = { generation: ledger.generation, hash: ledger.head }
      return verifyChain(writer.links.iterate() as unknown as Iterable<Link & { hash: string }>, head)
    },
    since: (generation) => ledger.since(generation),
    onCommit: (listener) => ledger.onCommit(listener),
    close: () => database.close(),
  }
}

/** What is kept was checked when it was written, on facts of then; it is taken over as it is. */
function load(database: DatabaseSync, ledger: Ledger): void {
  const state = database
    .prepare('SELECT generation, next_number, settings, pending, head FROM state')
    .get() as
    | { generation: number; next_number: number; settings: string; pending: string | null; head: string }
    | undefined
  if (!state) return
  const forwards = database
    .prepare('SELECT number, name, body FROM forwards')
    .all() as unknown as ForwardRow[]
  const lists = database.prepare('SELECT name, body FROM lists').all() as unknown as ListRow[]
  ledger.register.apply(
    {
      ...noChange,
      put: forwards.map(({ body }) => parseForward(JSON.parse(body))),
      putLists: lists.map(({ name, body }) => parseList(name, JSON.parse(body) as string[])),
      settings: readSettings(JSON.parse(state.settings) as SettingsDocument),
    },
    asKept,
  )
  for (const { name, number } of forwards) ledger.numbers.set(name, number)
  ledger.generation = state.generation
  ledger.nextNumber = state.next_number
  ledger.head = state.head
  ledger.pending = state.pending === null ? null : (JSON.parse(state.pending) as Pending)
}

interface ForwardRow {
  readonly number: number
  readonly name: string
  readonly body: string
}

interface ListRow {
  readonly name: string
  readonly body: string
}

interface ChangeRow extends Origin {
  readonly generation: number
  readonly body: string
  readonly hash: string
}

function readRecord({ body, ...row }: ChangeRow): Recorded {
  return { ...row, ...(JSON.parse(body) as Pick<Recorded, 'forwards' | 'lists' | 'settings'>) }
}

function prepare(database: DatabaseSync) {
  return {
    putForward: database.prepare('INSERT OR REPLACE INTO forwards (number, name, body) VALUES (?, ?, ?)'),
    removeForward: database.prepare('DELETE FROM forwards WHERE name = ?'),
    putList: database.prepare('INSERT OR REPLACE INTO lists (name, body) VALUES (?, ?)'),
    removeList: database.prepare('DELETE FROM lists WHERE name = ?'),
    putState: database.prepare(
      'INSERT OR REPLACE INTO state (one, generation, next_number, settings, pending, head) VALUES (1, ?, ?, ?, ?, ?)',
    ),
    links: database.prepare('SELECT * FROM changes ORDER BY generation'),
    confirm: database.prepare('UPDATE state SET pending = NULL'),
    history: database.prepare('SELECT * FROM changes WHERE generation > ? ORDER BY generation DESC LIMIT ?'),
    putChange: database.prepare(
      'INSERT INTO changes (generation, at, actor, how, note, body, hash) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
  }
}

/** SQLite has rolled back already after a full disk or an I/O error, and says so; the cause is the other error. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK')
  } catch {}
}

function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    rollBack(database)
    throw error
  }
}

function write(
  to: ReturnType<typeof prepare>,
  change: Change,
  ledger: Ledger,
  { record, given, pending }: Kept,
): string {
  const { generation, at, actor, how, note, forwards, lists, settings } = record
  for (const name of change.remove) to.removeForward.run(name)
  for (const { name } of change.put) {
    const number = given.get(name) ?? ledger.numberOf(name)
    to.putForward.run(number, name, JSON.stringify(forwards[name]?.after))
  }
  for (const name of change.removeLists) to.removeList.run(name)
  for (const { name } of change.putLists) to.putList.run(name, JSON.stringify(lists[name]?.after))
  const body = JSON.stringify({ forwards, lists, settings })
  const hash = hashOf(ledger.head, { generation, at, actor, how, note, body })
  const waiting = pending && JSON.stringify(pending)
  to.putState.run(generation, ledger.nextNumber + given.size, JSON.stringify(settings.after), waiting, hash)
  to.putChange.run(generation, at, actor, how, note, body, hash)
  return hash
}

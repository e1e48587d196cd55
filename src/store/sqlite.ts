/** The store of one machine: SQLite in WAL mode, every commit flushed to the disk before it is acknowledged. */
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseForward } from '../model/forward.ts'
import { parseList } from '../model/gateway.ts'
import { Problem } from '../model/problem.ts'
import { asKept, type Change, noChange } from '../model/register.ts'
import { type Archives, archivesIn } from './archive.ts'
import { archiveOld } from './archiving.ts'
import { type Kept, Ledger } from './ledger.ts'
import { openLog } from './log.ts'
import { migrate, refuseNewer } from './migrations.ts'
import { printSettings, readSettings } from './record.ts'
import type { Origin, Pending, SettingsDocument, Store } from './store.ts'

/** Opens or makes the database at `path`. Throws `store-unusable`; then the file is as it was. */
export function openSqliteStore(path: string): Store {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path)
    refuseNewer(database)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    migrate(database)
    return storeOf(database, archivesIn(join(dirname(path), 'audit')))
  } catch (error) {
    database?.close()
    throw Problem.of('store-unusable', { path, why: (error as Error).message }, error)
  }
}

function storeOf(database: DatabaseSync, archives: Archives): Store {
  const ledger = new Ledger()
  const log = openLog(database)
  load(database, ledger)
  ledger.base = log.base() ?? ledger.base
  const writer = prepare(database)
  let archiving = Promise.resolve()
  const act = (origin: Origin) =>
    ledger.act(origin, (record) => {
      const pending = record.command === 'confirm' ? null : ledger.pending
      inTransaction(database, () => {
        putState(writer, ledger, { record, given: new Map(), pending })
        log.append(record)
      })
    })
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
    get log() {
      return ledger
    },
    commit: (change, origin, circumstances, options = {}) =>
      ledger.commit(change, origin, circumstances, options, (kept) =>
        inTransaction(database, () => {
          write(writer, change, ledger, kept)
          log.append(kept.record)
        }),
      ),
    confirm: act,
    record: act,
    history: (after, most) => log.history(after, most),
    entries: async (after, most) =>
      (after < ledger.base.entry && (await archives.page(after, most))) || log.page(after, most, ledger.base),
    startOf: (after, since) => log.startOf(after, since, ledger.base),
    archive: (keep) => {
      // One after the other: two would write the same file.
      archiving = archiving
        .catch(() => {})
        .then(() => archiveOld(log, ledger, archives, keep, (work) => inTransaction(database, work)))
      return archiving
    },
    bytes: () => Number(database.prepare(usedBytes).get()?.bytes),
    since: (generation) => ledger.since(generation),
    onCommit: (listener) => ledger.onCommit(listener),
    close: () => database.close(),
  }
}

const usedBytes = `SELECT (page_count - freelist_count) * page_size AS bytes
  FROM pragma_page_count, pragma_freelist_count, pragma_page_size`

/** What is kept was checked when it was written, on facts of then; it is taken over as it is. */
function load(database: DatabaseSync, ledger: Ledger): void {
  const state = database
    .prepare('SELECT generation, next_number, settings, pending, head, entry FROM state')
    .get() as unknown as StateRow | undefined
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
  ledger.head = { entry: state.entry, generation: state.generation, hash: state.head }
  ledger.pending = state.pending === null ? null : (JSON.parse(state.pending) as Pending)
}

interface StateRow {
  readonly generation: number
  readonly next_number: number
  readonly settings: string
  readonly pending: string | null
  readonly head: string
  readonly entry: number
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

function prepare(database: DatabaseSync) {
  return {
    putForward: database.prepare('INSERT OR REPLACE INTO forwards (number, name, body) VALUES (?, ?, ?)'),
    removeForward: database.prepare('DELETE FROM forwards WHERE name = ?'),
    putList: database.prepare('INSERT OR REPLACE INTO lists (name, body) VALUES (?, ?)'),
    removeList: database.prepare('DELETE FROM lists WHERE name = ?'),
    putState: database.prepare(
      'INSERT OR REPLACE INTO state (one, generation, next_number, settings, pending, head, entry) VALUES (1, ?, ?, ?, ?, ?, ?)',
    ),
  }
}

type Writer = ReturnType<typeof prepare>

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

function write(to: Writer, change: Change, ledger: Ledger, kept: Kept): void {
  const { forwards, lists } = kept.record
  for (const name of change.remove) to.removeForward.run(name)
  for (const { name } of change.put) {
    const number = kept.given.get(name) ?? ledger.numberOf(name)
    to.putForward.run(number, name, JSON.stringify(forwards[name]?.after))
  }
  for (const name of change.removeLists) to.removeList.run(name)
  for (const { name } of change.putLists) to.putList.run(name, JSON.stringify(lists[name]?.after))
  putState(to, ledger, kept)
}

function putState(to: Writer, { nextNumber, register }: Ledger, { record, given, pending }: Kept): void {
  const { generation, entry, hash } = record
  const settings = JSON.stringify(record.settings.after ?? printSettings(register.settings))
  const waiting = pending && JSON.stringify(pending)
  to.putState.run(generation, nextNumber + given.size, settings, waiting, hash, entry)
}

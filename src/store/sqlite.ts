/** The store of one machine: SQLite in WAL mode, every commit flushed to the disk before it is acknowledged. */
import { dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { parseForward } from '../model/forward.ts'
import { parseList } from '../model/gateway.ts'
import { Problem } from '../model/problem.ts'
import { asKept, type Change, noChange } from '../model/register.ts'
import { archivesIn } from './archive.ts'
import { archiveOld } from './archiving.ts'
import { openDatabase } from './file.ts'
import { type Kept, Ledger } from './ledger.ts'
import { openLog } from './log.ts'
import { printSettings, readSettings } from './record.ts'
import { forwardRow, listRow, type Rows, type Sealed, sealOf } from './seal.ts'
import type { Origin, Pending, Recorded, SettingsDocument, Store } from './store.ts'

/** Opens or makes the database at `path`. Throws `store-unusable` or `store-busy`; then the file is as it was. */
export function openSqliteStore(path: string): Store {
  let database: DatabaseSync | undefined
  try {
    database = openDatabase(path)
    return storeOf(database, path)
  } catch (error) {
    database?.close()
    if (error instanceof Problem && error.code === 'store-busy') throw error
    throw Problem.of('store-unusable', { path, why: (error as Error).message }, error)
  }
}

function storeOf(database: DatabaseSync, path: string): Store {
  const archives = archivesIn(join(dirname(path), 'audit'))
  const ledger = new Ledger()
  const log = openLog(database)
  load(database, ledger)
  ledger.base = log.base() ?? ledger.base
  const writer = prepare(database)
  const seal = sealOf(database)
  const kept = (work: () => void) => written(path, () => inTransaction(database, work))
  const keep = (what: Kept, record: Recorded, rows: Rows, more: () => void) => {
    const state = stateAfter(ledger, what)
    const { hash, take } = seal.after(rows, state)
    kept(() => {
      more()
      putState(writer, state, hash, record)
      log.append(record)
    })
    take()
  }
  let archiving = Promise.resolve()
  const act = (origin: Origin) =>
    ledger.act(origin, (record) => {
      const pending = record.command === 'confirm' ? null : ledger.pending
      keep({ record, given: new Map(), pending }, record, new Map(), () => {})
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
      ledger.commit(change, origin, circumstances, options, (what) =>
        keep(what, what.record, rowsOf(change, ledger, what), () => write(writer, change, ledger, what)),
      ),
    confirm: act,
    record: act,
    history: (after, most) => log.history(after, most),
    entries: async (after, most) =>
      (after < ledger.base.entry && (await archives.page(after, most))) || log.page(after, most, ledger.base),
    startOf: (after, since) => log.startOf(after, since, ledger.base),
    archive: (young) => {
      // One after the other: two would write the same file.
      archiving = archiving.catch(() => {}).then(() => archiveOld(log, ledger, archives, young, kept))
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
      'INSERT OR REPLACE INTO state (one, generation, next_number, settings, pending, head, entry, seal) VALUES (1, ?, ?, ?, ?, ?, ?, ?)',
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

/** SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN: the disk, not the change. */
const ofTheDisk = [8, 10, 13, 14]

function written<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!ofTheDisk.includes(((error as { errcode?: number }).errcode ?? 0) % 256)) throw error
    throw Problem.of('store-unwritable', { path, why: (error as Error).message }, error)
  }
}

/** The rows that a change makes, changes and removes. */
function rowsOf(
  { put, remove, putLists, removeLists }: Change,
  ledger: Ledger,
  { record, given }: Kept,
): Rows {
  const rows = new Map<string, string | null>()
  for (const name of remove) rows.set(forwardRow(0, name, '')[0], null)
  for (const { name } of put) {
    const number = given.get(name) ?? ledger.numberOf(name)
    rows.set(...forwardRow(number, name, JSON.stringify(record.forwards[name]?.after)))
  }
  for (const name of removeLists) rows.set(listRow(name, '')[0], null)
  for (const { name } of putLists) rows.set(...listRow(name, JSON.stringify(record.lists[name]?.after)))
  return rows
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
}

function stateAfter({ nextNumber, register }: Ledger, { record, given, pending }: Kept): Sealed {
  return {
    generation: record.generation,
    next_number: nextNumber + given.size,
    settings: JSON.stringify(record.settings.after ?? printSettings(register.settings)),
    pending: pending && JSON.stringify(pending),
  }
}

function putState(to: Writer, state: Sealed, seal: string, { hash, entry }: Recorded): void {
  const { generation, next_number, settings, pending } = state
  to.putState.run(generation, next_number, settings, pending, hash, entry, seal)
}

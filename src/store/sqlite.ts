/** The store of one machine: SQLite in WAL mode, every commit flushed to the disk before it is acknowledged. */
import { DatabaseSync } from 'node:sqlite'
import { printPrefix } from '../model/address.ts'
import type { ForwardDocument } from '../model/document.ts'
import { parseForward, printForward } from '../model/forward.ts'
import { defaultSettings, parseList, parseMark, printMark, type Settings } from '../model/gateway.ts'
import { Problem } from '../model/problem.ts'
import { asKept, type Change, noChange } from '../model/register.ts'
import type { List } from '../model/sources.ts'
import { Ledger } from './ledger.ts'
import { migrate } from './migrations.ts'
import type { Origin, Store } from './store.ts'

/** Opens or makes the database at `path`. Throws `store-unusable`; then the file is as it was. */
export function openSqliteStore(path: string): Store {
  try {
    const database = new DatabaseSync(path)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    migrate(database)
    return storeOf(database)
  } catch (error) {
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
    commit: (change, origin, circumstances, based) => {
      const before = documentsOf(ledger, change)
      return ledger.commit(change, circumstances, based, (given) => {
        inTransaction(database, () => write(writer, change, given, ledger, origin, before))
      })
    },
    since: (generation) => ledger.since(generation),
    onCommit: (listener) => ledger.onCommit(listener),
    close: () => database.close(),
  }
}

/** What is kept was checked when it was written, on facts of then; it is taken over as it is. */
function load(database: DatabaseSync, ledger: Ledger): void {
  const state = database.prepare('SELECT generation, next_number, settings FROM state').get() as
    | { generation: number; next_number: number; settings: string }
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
      settings: readSettings(state.settings),
    },
    asKept,
  )
  for (const { name, number } of forwards) ledger.numbers.set(name, number)
  ledger.generation = state.generation
  ledger.nextNumber = state.next_number
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

function readSettings(text: string): Settings {
  const { privileged, mark } = JSON.parse(text) as { privileged?: boolean; mark?: string }
  return { ...defaultSettings, privileged: privileged ?? false, mark: parseMark('mark', mark) }
}

function printSettings({ privileged, mark }: Settings): string {
  return JSON.stringify({ privileged, mark: printMark(mark) })
}

function prepare(database: DatabaseSync) {
  return {
    putForward: database.prepare('INSERT OR REPLACE INTO forwards (number, name, body) VALUES (?, ?, ?)'),
    removeForward: database.prepare('DELETE FROM forwards WHERE name = ?'),
    putList: database.prepare('INSERT OR REPLACE INTO lists (name, body) VALUES (?, ?)'),
    removeList: database.prepare('DELETE FROM lists WHERE name = ?'),
    putState: database.prepare(
      'INSERT OR REPLACE INTO state (one, generation, next_number, settings) VALUES (1, ?, ?, ?)',
    ),
    putChange: database.prepare(
      'INSERT INTO changes (generation, at, actor, how, note, body) VALUES (?, ?, ?, ?, ?, ?)',
    ),
  }
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    work()
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

/** The forwards and lists that a change names, as they are before it. */
interface Before {
  readonly forwards: Readonly<Record<string, ForwardDocument>>
  readonly lists: Readonly<Record<string, readonly string[]>>
}

function documentsOf({ register }: Ledger, change: Change): Before {
  const forwards = [...change.remove, ...change.put.map(({ name }) => name)].flatMap(
    (name) => register.forwards.get(name) ?? [],
  )
  const lists = [...change.removeLists, ...change.putLists.map(({ name }) => name)].flatMap(
    (name) => register.lists.get(name) ?? [],
  )
  return {
    forwards: Object.fromEntries(forwards.map((forward) => [forward.name, printForward(forward)])),
    lists: Object.fromEntries(lists.map((list) => [list.name, printList(list)])),
  }
}

function printList({ prefixes }: List): string[] {
  return prefixes.map(printPrefix)
}

function write(
  to: ReturnType<typeof prepare>,
  change: Change,
  given: ReadonlyMap<string, number>,
  ledger: Ledger,
  origin: Origin,
  before: Before,
): void {
  const generation = ledger.generation + 1
  const settings = printSettings(ledger.register.settings)
  for (const name of change.remove) to.removeForward.run(name)
  for (const forward of change.put) {
    const number = given.get(forward.name) ?? ledger.numberOf(forward.name)
    to.putForward.run(number, forward.name, JSON.stringify(printForward(forward)))
  }
  for (const name of change.removeLists) to.removeList.run(name)
  for (const list of change.putLists) to.putList.run(list.name, JSON.stringify(printList(list)))
  to.putState.run(generation, ledger.nextNumber + given.size, settings)
  const after = {
    forwards: Object.fromEntries(change.put.map((forward) => [forward.name, printForward(forward)])),
    lists: Object.fromEntries(change.putLists.map((list) => [list.name, printList(list)])),
  }
  const body = JSON.stringify({ before, after, settings })
  to.putChange.run(generation, origin.at, origin.actor, origin.how, origin.note, body)
}

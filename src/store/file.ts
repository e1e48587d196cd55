/** The database file: held by one process alone, found whole before anything is written to it, copied before it changes shape. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { Problem } from '../model/problem.ts'
import { migrate, newestVersion, refuseNewer, schemaAt, schemaOf, versionOf } from './migrations.ts'
import { refuseUnsealed } from './seal.ts'

/**
 * Opens or makes the database and holds it until it is closed. Throws `store-busy` when another process does, or an
 * error that says what is wrong with it; then no byte of it has been changed.
 */
export function openDatabase(path: string): DatabaseSync {
  refuseUnwritable(path)
  refuseLoneJournal(path)
  if (sizeOf(path) > 0) examine(path)
  const database = new DatabaseSync(path)
  try {
    hold(database, path)
    if (versionOf(database) > 0 && versionOf(database) < newestVersion) backUp(database, path)
    migrate(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * Looks without changing anything. Of the log only the pages are checked: its entries are for `drawbridge audit --verify`.
 */
function examine(path: string): void {
  const database = openToLook(path)
  try {
    refuseNewer(database)
    const [found] = database.prepare('PRAGMA integrity_check(1)').all() as { integrity_check: string }[]
    if (found?.integrity_check !== 'ok') throw new Error(found?.integrity_check ?? 'it cannot be checked')
    const version = versionOf(database)
    if (schemaOf(database) !== schemaAt(version)) throw new Error('its tables are not those of a store')
    if (version === newestVersion) refuseUnsealed(database)
  } catch (error) {
    throw isLocked(error) ? busy(path, error) : error
  } finally {
    database.close()
  }
}

/**
 * A connection that may only read does not write the journal back when it closes. Where there is no journal, nobody has
 * the database, and without `immutable` SQLite would make an empty one (sqlite.org/uri.html).
 */
function openToLook(path: string): DatabaseSync {
  const url = pathToFileURL(path)
  if (!existsSync(`${path}-wal`)) url.search = 'immutable=1'
  return new DatabaseSync(url, { readOnly: true })
}

/** An exclusive lock of SQLite's, which the kernel drops when the process ends, however it does. */
function hold(database: DatabaseSync, path: string): void {
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    database.exec('BEGIN EXCLUSIVE; COMMIT; PRAGMA foreign_keys = ON')
  } catch (error) {
    throw isLocked(error) ? busy(path, error) : error
  }
}

/** Never over an older copy: that one may be the only good one. */
function backUp(database: DatabaseSync, path: string): void {
  const named = `${path}.schema-${versionOf(database)}`
  let copy = named
  for (let count = 2; existsSync(copy); count += 1) copy = `${named}.${count}`
  database.prepare('VACUUM INTO ?').run(copy)
  for (const written of [copy, dirname(copy)]) {
    const file = openSync(written, 'r')
    fsyncSync(file)
    closeSync(file)
  }
}

function refuseUnwritable(path: string): void {
  accessSync(dirname(path), constants.W_OK)
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return
  if (found.isSymbolicLink()) throw new Error('it is a link')
  if (!found.isFile()) throw new Error('it is not a file')
  accessSync(path, constants.W_OK)
}

/** SQLite removes a journal that it finds beside an empty database; it may be what is left of the changes. */
function refuseLoneJournal(path: string): void {
  const journal = `${path}-wal`
  if (sizeOf(path) === 0 && sizeOf(journal) > 0) {
    throw new Error(`it is empty or missing, although its journal ${journal} is there`)
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** SQLITE_BUSY, in each of its variants. */
function isLocked(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5
}

function busy(path: string, cause: unknown): Problem {
  return Problem.of('store-busy', { path, pid: holderOf(path) }, cause)
}

/** The process that locks the file, or 0 where /proc/locks does not tell: `1: POSIX ADVISORY WRITE 713 fe:01:1835 0 EOF`. */
function holderOf(path: string): number {
  const inode = statSync(path, { throwIfNoEntry: false })?.ino
  try {
    const lines = readFileSync('/proc/locks', 'utf8').split('\n')
    const words = lines.map((line) => line.split(/\s+/)).filter((line) => line[5]?.endsWith(`:${inode}`))
    return Number(words[0]?.[4] ?? 0)
  } catch {
    return 0
  }
}

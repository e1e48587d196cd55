/** What a crash, a newer version or a broken disk does to the store: nothing that is acknowledged is lost, and nothing is made worse. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { fill, makeReadOnly, mountSmall, unmount } from '../lab/disk.ts'
import { expectClean, problemOf } from '../model/problems.ts'
import { careful, opening, origin } from './changes.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-damage-'))
  path = join(directory, 'store.db')
})

afterEach(() => rmSync(directory, { recursive: true }))

/** A process that commits one generation after the other and prints each when it is acknowledged. */
function startWriter(): { child: ChildProcess; acknowledged: () => number; ended: Promise<void> } {
  const child = spawn(process.execPath, [new URL('./writer.ts', import.meta.url).pathname, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', (piece: Buffer) => {
    printed += piece.toString()
  })
  const acknowledged = () => Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1) ?? 0)
  return { child, acknowledged, ended: new Promise((resolve) => child.once('close', () => resolve())) }
}

describe('killed in the middle of commits', () => {
  test.each([1, 2, 3])(
    'it has every generation that was acknowledged, and at most one more (%d)',
    async (round) => {
      const { child, acknowledged, ended } = startWriter()
      await expect.poll(acknowledged, { timeout: 10_000, interval: 5 }).toBeGreaterThan(20 * round)
      await sleep(round)
      child.kill('SIGKILL')
      await ended
      expect(integrityOf(path)).toBe('ok')
      const store = openSqliteStore(path)
      expect([acknowledged(), acknowledged() + 1]).toContain(store.generation)
      expect([...store.register.forwards.keys()]).toEqual(['moving'])
      expect(store.register.named('moving').note).toBe(`generation ${store.generation}`)
      expect(store.history(0, 1)[0]?.generation).toBe(store.generation)
      expect(store.commit(opening('more', 3000), origin, careful)).toBe(store.generation)
      store.close()
    },
  )
})

function integrityOf(file: string): unknown {
  const database = new DatabaseSync(file)
  const row = database.prepare('PRAGMA integrity_check').get()
  database.close()
  return row?.integrity_check
}

/** A hash of every file that the store has, by name. */
function files(): Record<string, string> {
  return Object.fromEntries(readdirSync(directory).map((name) => [name, hashOf(join(directory, name))]))
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function makeStore(): void {
  const store = openSqliteStore(path)
  store.commit(opening('a', 2000), origin, careful)
  store.close()
}

function alter(statement: string): void {
  const database = new DatabaseSync(path)
  database.exec(statement)
  database.close()
}

describe('it is refused, said why, and left as it was:', () => {
  test.each([
    ['a store of a newer version', () => alter('PRAGMA user_version = 99'), /newer Drawbridge.*99/],
    [
      'a newer version that keeps its journal in another way',
      () => alter('PRAGMA user_version = 99; PRAGMA journal_mode = DELETE'),
      /newer/,
    ],
    [
      'a forward that is none',
      () => alter(`UPDATE forwards SET body = '{"listen":"tcp/0","to":"x"}'`),
      /contents are not what was written/,
    ],
    [
      'a body that is no JSON',
      () => alter(`UPDATE forwards SET body = '{'`),
      /contents are not what was written/,
    ],
    [
      'a file that is no database',
      () => writeFileSync(path, 'not a database, but long enough to be one. '.repeat(100)),
      /not a database/,
    ],
    [
      'a file cut off',
      () => writeFileSync(path, readFileSync(path).subarray(0, 5000)),
      /malformed|disk image/,
    ],
  ])('%s', (_, damage, words) => {
    makeStore()
    damage()
    const before = files()
    const problem = problemOf(() => openSqliteStore(path))
    expect(problem).toMatchObject({ code: 'store-unusable', status: 503 })
    expect(problem.message).toContain(path)
    expect(problem.message).toMatch(words)
    expectClean(problem)
    expect(files()).toEqual(before)
  })

  test('a directory that is not there', () => {
    expect(problemOf(() => openSqliteStore(join(directory, 'no', 'store.db'))).code).toBe('store-unusable')
  })
})

test('a file of no bytes is a store at its beginning', () => {
  writeFileSync(path, '')
  const store = openSqliteStore(path)
  expect(store.generation).toBe(0)
  store.close()
})

test('a commit for which the disk has no room changes nothing, and the next one is taken when it has', () => {
  mountSmall(directory, '1M')
  try {
    const store = openSqliteStore(path)
    store.commit(opening('a', 2000), origin, careful)
    fill(directory)
    const problem = problemOf(() => {
      for (let port = 3000; port < 3200; port += 1) store.commit(opening('b', port), origin, careful)
    })
    expect(problem).toMatchObject({ code: 'store-unwritable', status: 507 })
    expect(problem.message).toMatch(/nothing was changed.*store\.db.*full/)
    expectClean(problem)
    const { generation, nextNumber } = store
    rmSync(join(directory, 'filler'))
    expect(store.commit(opening('c', 2001), origin, careful)).toBe(generation + 1)
    expect(store.numberOf('c')).toBe(nextNumber)
    store.close()
    const again = openSqliteStore(path)
    expect(again.generation).toBe(generation + 1)
    again.close()
  } finally {
    unmount(directory)
  }
})

test('a store on a disk that became read-only says so, and keeps what it has', async () => {
  mountSmall(directory, '1M')
  try {
    makeStore()
    await makeReadOnly(directory)
    const before = files()
    const problem = problemOf(() => openSqliteStore(path))
    expect(problem.code).toBe('store-unusable')
    expect(problem.message).toMatch(/read-only/)
    expect(files()).toEqual(before)
  } finally {
    unmount(directory)
  }
})

test.each([
  ['a directory', () => mkdirSync(path), /not a file/],
  ['a link to nowhere', () => symlinkSync('nowhere/at/all', path), /link/],
])('%s in its place is refused and stays', (_, lay, words) => {
  lay()
  const problem = problemOf(() => openSqliteStore(path))
  expect(problem.code).toBe('store-unusable')
  expect(problem.message).toMatch(words)
  expect(readdirSync(directory)).toEqual(['store.db'])
})

describe('a store of an older shape', () => {
  /** As the first version left it, with a change. */
  function makeFirst(): void {
    makeStore()
    const database = new DatabaseSync(path)
    const { head } = database.prepare('SELECT head FROM state').get() as { head: string }
    database.exec(`DROP TABLE base; DROP TABLE audit; DROP TABLE state; ${schemaOne}`)
    database
      .prepare(
        `INSERT INTO state VALUES (1, 1, 2, '{"privileged":false,"mark":"0x2db00000/0xfff00000","locked":false}', NULL, ?)`,
      )
      .run(head)
    database.exec('PRAGMA user_version = 1')
    database.close()
  }
  const schemaOne = `CREATE TABLE state (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     generation INTEGER NOT NULL,
     next_number INTEGER NOT NULL,
     settings TEXT NOT NULL,
     pending TEXT,
     head TEXT NOT NULL
   ) STRICT;
   CREATE TABLE changes (
     generation INTEGER PRIMARY KEY,
     at TEXT NOT NULL,
     actor TEXT NOT NULL,
     how TEXT NOT NULL,
     note TEXT NOT NULL,
     body TEXT NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;`

  test('is copied before it is changed, and the copy is whole and stays', () => {
    makeFirst()
    const store = openSqliteStore(path)
    expect([...store.register.forwards.keys()]).toEqual(['a'])
    store.commit(opening('b', 2001), origin, careful)
    store.close()
    const copy = `${path}.schema-1`
    const kept = hashOf(copy)
    const database = new DatabaseSync(copy, { readOnly: true })
    expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 })
    expect(database.prepare('SELECT name FROM forwards').all()).toEqual([{ name: 'a' }])
    database.close()

    rmSync(path)
    makeFirst()
    openSqliteStore(path).close()
    expect(hashOf(copy)).toBe(kept)
    expect(readdirSync(directory).sort()).toEqual(['store.db', 'store.db.schema-1', 'store.db.schema-1.2'])
    openSqliteStore(path).close()
    expect(readdirSync(directory)).toHaveLength(3)
  })

  test('is not changed when there is no room for the copy', () => {
    mountSmall(directory, '256k')
    try {
      makeFirst()
      fill(directory)
      rmSync(join(directory, 'filler'))
      const bytes = readFileSync(path).length
      writeFileSync(join(directory, 'filler'), Buffer.alloc(256 * 1024 - bytes - 12_288))
      const before = hashOf(path)
      expect(problemOf(() => openSqliteStore(path)).message).toMatch(/full/)
      expect(hashOf(path)).toBe(before)
    } finally {
      unmount(directory)
    }
  })
})

describe('one process has it:', () => {
  test('another one is refused and told which, until the first ends', async () => {
    const { child, acknowledged, ended } = startWriter()
    await expect.poll(acknowledged, { timeout: 10_000 }).toBeGreaterThan(3)
    const problem = problemOf(() => openSqliteStore(path))
    expect(problem).toMatchObject({ code: 'store-busy', status: 409 })
    expect(problem.message).toContain(`process ${child.pid}`)
    const then = acknowledged()
    await expect.poll(acknowledged, { timeout: 10_000 }).toBeGreaterThan(then)
    child.kill('SIGKILL')
    await ended
    const store = openSqliteStore(path)
    expect(store.generation).toBeGreaterThanOrEqual(acknowledged())
    store.close()
  })

  test('a copy of it is another store', () => {
    const store = openSqliteStore(path)
    store.commit(opening('a', 2000), origin, careful)
    for (const name of readdirSync(directory)) {
      cpSync(join(directory, name), join(directory, name.replace('store', 'copy')))
    }
    const copy = openSqliteStore(join(directory, 'copy.db'))
    expect(copy.generation).toBe(1)
    copy.close()
    store.close()
  })
})

/** What a crash, a newer version or a broken disk does to the store: nothing that is acknowledged is lost, and nothing is made worse. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite.ts'
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
      /tcp\/0|out of range/,
    ],
    ['a body that is no JSON', () => alter(`UPDATE forwards SET body = '{'`), /JSON/],
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
    expect(problem).toMatchObject({ code: 'store-unusable', status: 500 })
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

test('a commit that cannot be written is not there afterwards, and the next one is', () => {
  makeStore()
  const store = openSqliteStore(path)
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  expect(() => store.commit(opening('b', 2001), origin, careful)).toThrow(/locked/)
  other.exec('ROLLBACK')
  other.close()
  expect([store.generation, store.nextNumber, [...store.register.forwards.keys()]]).toEqual([1, 2, ['a']])
  expect(store.commit(opening('c', 2001), origin, careful)).toBe(2)
  expect(store.numberOf('c')).toBe(2)
  store.close()
})

/** A byte of each page is turned, one after the other: what is opened is what was written, or nothing is. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseList } from '../../src/model/gateway.ts'
import { Problem } from '../../src/model/problem.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { careful, change, closing, opening, origin } from './changes.ts'
import { verdictOf } from './log.ts'

const page = 4096
let directory: string
let whole: string
let tried: string
let wanted: string
let history: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-pages-'))
  whole = join(directory, 'whole.db')
  tried = join(directory, 'tried.db')
  const store = openSqliteStore(whole)
  const put = Array.from({ length: 60 }, (_, index) => opening(`forward-${index}`, 2000 + index).put[0])
  store.commit(change({ put: put.flatMap((one) => one ?? []) }), origin, careful)
  store.commit(change({ putLists: [parseList('office', ['10.0.0.0/8', 'fd00::/8'])] }), origin, careful)
  for (let port = 5000; port < 5030; port += 1) {
    store.commit(opening('moving', port, { from: 'office', note: `port ${port}` }), origin, careful)
  }
  store.commit(closing('forward-7', 'forward-8'), origin, careful)
  store.commit(opening('trial', 7000), origin, careful, { confirmWithin: 60_000 })
  wanted = shown(store)
  history = historyOf(store)
  store.close()
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Everything that a store says. */
function shown(store: ReturnType<typeof openSqliteStore>): string {
  const { forwards, lists, settings } = store.register
  const numbers = [...forwards.keys()].map((name) => [name, store.numberOf(name)]).sort()
  const { generation, nextNumber, pending } = store
  const values = [...forwards.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  return JSON.stringify([generation, nextNumber, pending, numbers, values, [...lists], settings])
}

/**
 * Whether the damage was found: the copy is refused, or its log is found broken by `drawbridge audit --verify`. Fails when
 * it was opened as something else, when the log says something else unnoticed, or when it was changed while it was refused.
 */
async function isFound(what: string): Promise<boolean> {
  const before = filesTried()
  try {
    const store = openSqliteStore(tried)
    const [found, said] = [shown(store), historyOf(store)]
    const verified = await verdictOf(store, directory, 1000).then(
      () => true,
      () => false,
    )
    store.close()
    expect(found, what).toBe(wanted)
    if (verified) expect(said, what).toBe(history)
    return !verified
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    expect(error.code, what).toBe('store-unusable')
    expect(error.message, what).toContain(tried)
    expect(filesTried(), what).toEqual(before)
    return true
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(tried + suffix, { force: true })
  }
}

function historyOf(store: ReturnType<typeof openSqliteStore>): string {
  try {
    return JSON.stringify(store.history(0, 1000))
  } catch (error) {
    return String(error)
  }
}

/** What is kept; the index of the journal (-shm) is made anew by whoever reads. */
function filesTried(): Record<string, string> {
  const names = readdirSync(directory).filter((name) => name.startsWith('tried') && !name.endsWith('-shm'))
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), 'latin1')]))
}

test('in every page, and at sixteen places of each', async () => {
  const bytes = readFileSync(whole)
  const pages = bytes.length / page
  expect(pages).toBeGreaterThan(10)
  const found: number[] = []
  for (let number = 0; number < pages; number += 1) {
    const places = Array.from({ length: 16 }, (_, index) => (index * 271 + number * 37) % page)
    let count = 0
    for (const at of [0, 1, 5, 8, ...places]) {
      const turned = Buffer.from(bytes)
      const place = number * page + at
      turned[place] = (turned[place] ?? 0) ^ (1 << (at % 8))
      writeFileSync(tried, turned)
      if (await isFound(`page ${number + 1}, byte ${at}`)) count += 1
    }
    found.push(count)
  }
  // There is room in pages that belongs to nothing; but in none is everything of that kind.
  expect(Math.min(...found)).toBeGreaterThan(0)
  expect(found.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(pages * 8)
})

test('the whole page, in every page', async () => {
  const bytes = readFileSync(whole)
  for (let number = 0; number < bytes.length / page; number += 1) {
    for (const fill of [0, 255]) {
      writeFileSync(tried, Buffer.from(bytes).fill(fill, number * page, (number + 1) * page))
      expect(await isFound(`page ${number + 1} all ${fill}`)).toBe(true)
    }
  }
})

test('cut off at the end of each page, and in the middle of each', async () => {
  const { length } = readFileSync(whole)
  for (let size = page / 2; size < length; size += page / 2) {
    cpSync(whole, tried)
    truncateSync(tried, size)
    expect(await isFound(`${size} of ${length} bytes`)).toBe(true)
  }
})

test('a journal whose database is gone or empty is not thrown away', async () => {
  for (const lay of [() => {}, () => writeFileSync(tried, '')]) {
    writeFileSync(`${tried}-wal`, 'what is left of the changes')
    lay()
    expect(await isFound('a journal alone')).toBe(true)
  }
})

test('one who edits a text or a number beside Drawbridge is found, though every page is in order', async () => {
  const edits = [
    `UPDATE forwards SET body = replace(body, '10.0.0.5', '10.0.0.6') WHERE name = 'forward-3'`,
    `UPDATE forwards SET number = 900 WHERE name = 'moving'`,
    `DELETE FROM forwards WHERE name = 'forward-3'`,
    `INSERT INTO forwards SELECT 901, 'forward-x', body FROM forwards LIMIT 1`,
    `UPDATE lists SET body = '["0.0.0.0/0"]'`,
    'DELETE FROM lists',
    `UPDATE state SET settings = replace(settings, 'false', 'true')`,
    'UPDATE state SET next_number = 3',
    'UPDATE state SET generation = generation - 1',
    `UPDATE state SET pending = replace(pending, '60000', '90000')`,
    'DELETE FROM state',
    'DROP TABLE lists',
    'PRAGMA user_version = 0',
  ]
  for (const edit of edits) {
    cpSync(whole, tried)
    const database = new DatabaseSync(tried)
    database.exec(edit)
    database.close()
    expect(await isFound(edit), edit).toBe(true)
  }
  cpSync(whole, tried)
  expect(await isFound('as it was')).toBe(false)
})

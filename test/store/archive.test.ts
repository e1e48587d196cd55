/** The archives of the log: part of the chain, and readable without Drawbridge. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GatewayReader, historyAfter } from '../../src/api/reading.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { problemOf } from '../model/problems.ts'
import { memoryAgent } from '../reconcile/agent.ts'
import { noNames } from '../reconcile/names/none.ts'
import { careful, opening, origin } from './changes.ts'
import { verdictOf } from './log.ts'

let directory: string
let store: Store

const audit = () => join(directory, 'audit')
const files = () => readdirSync(audit()).sort()

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-archive-'))
  store = openSqliteStore(join(directory, 'store.db'))
  for (const keep of [5, 5]) {
    for (let count = 0; count < 10; count += 1)
      store.commit(
        opening('moving', 2000 + store.generation),
        { ...origin, at: dayOf(store.generation) },
        careful,
      )
    await store.archive(keep)
  }
})

afterEach(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

const dayOf = (generation: number) => `2027-01-${String(generation + 1).padStart(2, '0')}T00:00:00.000Z`

/** Rewrites the lines of an archive. */
function edit(file: string, change: (lines: string[]) => string[]): void {
  const path = join(audit(), file)
  writeFileSync(path, gzipSync(change(gunzipSync(readFileSync(path)).toString().split('\n')).join('\n')))
}

test('an archive is one file for its user alone, with one line of JSON an entry', () => {
  expect(files()).toEqual([
    'audit-000000000001-000000000005.jsonl.gz',
    'audit-000000000006-000000000015.jsonl.gz',
  ])
  const path = join(audit(), files()[0] ?? '')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const lines = gunzipSync(readFileSync(path)).toString().trimEnd().split('\n')
  expect(lines).toHaveLength(6)
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ entry: 1, actor: 'ada', command: 'open' })
})

test('with its archives the log is whole; without one, that one is told and the rest is verified', async () => {
  expect(await verdictOf(store, directory)).toEqual({ entries: 20, missing: [], seen: null })
  rmSync(join(audit(), files()[0] ?? ''))
  expect(await verdictOf(store, directory)).toEqual({
    entries: 15,
    missing: [{ first: 1, last: 5 }],
    seen: null,
  })
  rmSync(audit(), { recursive: true })
  expect(await verdictOf(store, directory)).toEqual({
    entries: 5,
    missing: [{ first: 1, last: 15 }],
    seen: null,
  })
})

test('a hole between two archives is told as well', async () => {
  for (let count = 0; count < 10; count += 1) store.commit(opening('moving', 3000 + count), origin, careful)
  await store.archive(5)
  rmSync(join(audit(), files()[1] ?? ''))
  expect(await verdictOf(store, directory)).toMatchObject({ entries: 20, missing: [{ first: 6, last: 15 }] })
})

test.each([
  ['an edited entry', (lines: string[]) => lines.map((line) => line.replace('"ada"', '"eve"')), 6],
  ['a removed entry', (lines: string[]) => lines.filter((_, at) => at !== 4), 9],
  [
    'two that changed places',
    ([head = '', one = '', two = '', ...rest]: string[]) => [head, two, one, ...rest],
    7,
  ],
  ['another beginning', (lines: string[]) => [`{"before":"${'1'.repeat(64)}"}`, ...lines.slice(1)], 0],
])('%s in an archive is found', async (_, change, entry) => {
  edit(files()[1] ?? '', change)
  const verdict = verdictOf(store, directory)
  // What stands in the first line only counts where the archive before it is missing.
  if (entry === 0) {
    expect(await verdict).toMatchObject({ entries: 20 })
    rmSync(join(audit(), files()[0] ?? ''))
    await expect(verdictOf(store, directory)).rejects.toMatchObject({ code: 'audit-broken' })
  } else {
    await expect(verdict).rejects.toMatchObject({
      code: 'audit-broken',
      message: expect.stringContaining(`at entry ${entry}:`),
    })
  }
})

test('an archive that was cut off is a problem that names it', async () => {
  const path = join(audit(), files()[1] ?? '')
  writeFileSync(path, readFileSync(path).subarray(0, 200))
  await expect(verdictOf(store, directory)).rejects.toMatchObject({
    code: 'archive-unreadable',
    message: expect.stringContaining(path),
  })
})

test('a beginning moved forward to hide entries does not fit what follows', async () => {
  store.close()
  const database = new DatabaseSync(join(directory, 'store.db'))
  database.exec('DELETE FROM audit WHERE entry <= 17; UPDATE base SET entry = 17, generation = 17')
  database.close()
  store = openSqliteStore(join(directory, 'store.db'))
  await expect(verdictOf(store, directory)).rejects.toMatchObject({ code: 'audit-broken' })
})

test('entries that a crash left in both places are there once', async () => {
  const [first = '', second = ''] = files()
  mkdirSync(join(directory, 'kept'))
  renameSync(join(audit(), second), join(directory, 'kept', second))
  for (let count = 0; count < 5; count += 1) store.commit(opening('moving', 3000 + count), origin, careful)
  await store.archive(5)
  renameSync(join(directory, 'kept', second), join(audit(), second))
  writeFileSync(join(audit(), 'audit-000000000016-000000000018.jsonl.gz.new'), 'torn')
  expect(files()).toContain(first)
  expect(await verdictOf(store, directory)).toMatchObject({ entries: 25, missing: [] })
})

test('the way back reaches as far as the database, and says so', () => {
  expect(historyAfter(store, 15)).toHaveLength(5)
  const problem = problemOf(() => historyAfter(store, 14))
  expect(problem).toMatchObject({ code: 'archived-generation', status: 404 })
  expect(problem.message).toMatch(/generation 14 .* reaches to generation 15$/)
})

test('a search by time or generation reads archives only where it reaches into them', async () => {
  const reader = new GatewayReader({ store, agent: memoryAgent(), names: noNames })
  const found = async (wanted: { generation?: number; since?: string; until?: string }) => {
    const entries: number[] = []
    for (let after: number | undefined; ; ) {
      const page = await reader.audit(after, 4, { generation: 0, ...wanted })
      entries.push(...page.entries.map(({ entry }) => entry))
      if (page.next === null) return entries
      after = page.next
    }
  }
  expect(await found({ generation: 13 })).toEqual([14, 15, 16, 17, 18, 19, 20])
  expect(await found({ since: dayOf(2), until: dayOf(5) })).toEqual([3, 4, 5])
  rmSync(audit(), { recursive: true })
  expect(await found({ generation: 17 })).toEqual([18, 19, 20])
  expect(await found({ since: dayOf(18) })).toEqual([19, 20])
})

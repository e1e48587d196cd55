/** One contract of the log, held by every store: entries for changes and acts, with archives behind them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../src/model/register.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import type { Command, Store } from '../../src/store/store.ts'
import { careful, closing, opening, origin } from './changes.ts'
import { verdictOf } from './log.ts'

let directory: string
let store: Store

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-log-'))
})

afterEach(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

const commit = (wanted: Change) => store.commit(wanted, origin, careful)

describe.each([
  ['memory', () => openMemoryStore()],
  ['SQLite', () => openSqliteStore(join(directory, 'store.db'))],
])('the log of a store in %s', (_, open) => {
  const act = (command: Command, at = origin.at) => store.record({ ...origin, command, at })
  const shownFrom = async (after: number, most = 100) =>
    (await store.entries(after, most)).entries.map(({ entry, generation, command }) => [
      entry,
      generation,
      command,
    ])

  beforeEach(() => {
    store = open()
  })

  test('has an entry for each change and each act, with the generation that held', async () => {
    act('down')
    commit(opening('a', 2000))
    store.commit(opening('b', 2001), origin, careful, { confirmWithin: 60_000 })
    store.confirm({ ...origin, command: 'confirm' })
    act('down --all')
    expect(await shownFrom(0)).toEqual([
      [1, 0, 'down'],
      [2, 1, 'open'],
      [3, 2, 'open'],
      [4, 2, 'confirm'],
      [5, 2, 'down --all'],
    ])
    expect(await shownFrom(1, 2)).toEqual([
      [2, 1, 'open'],
      [3, 2, 'open'],
    ])
    expect(store.history(0, 10).map(({ generation }) => generation)).toEqual([2, 1])
    expect(store.log.head).toMatchObject({ entry: 5, generation: 2 })
    expect(await verdictOf(store, directory)).toMatchObject({ entries: 5 })
  })

  test('keeps who, from where and why, and what was before and after', async () => {
    commit(opening('a', 2000))
    commit(opening('a', 3000))
    const { entries } = await store.entries(1, 1)
    expect(entries).toMatchObject([
      {
        ...origin,
        entry: 2,
        forwards: { a: { before: { listen: 'tcp/2000' }, after: { listen: 'tcp/3000' } } },
      },
    ])
  })

  test('tells each entry to those who listen, when it already holds', () => {
    const heard: [number, string][] = []
    store.onCommit(({ entry, command }) => heard.push([store.log.head.entry - entry, command]))
    commit(opening('a', 2000))
    act('down')
    expect(heard).toEqual([
      [0, 'open'],
      [0, 'down'],
    ])
  })

  test('is searched by generation and by time', async () => {
    commit(opening('a', 2000))
    act('down', '2027-02-01T00:00:00.000Z')
    commit(opening('b', 2001))
    act('down', '2027-02-03T00:00:00.000Z')
    expect(store.startOf(0, '')).toBe(0)
    expect(store.startOf(1, '')).toBe(2)
    expect(store.startOf(0, '2027-02-01T00:00:00.000Z')).toBe(1)
    expect(store.startOf(0, '2027-02-02T00:00:00.000Z')).toBe(3)
    expect(await shownFrom(store.startOf(0, '2027-02-04T00:00:00.000Z'))).toEqual([])
  })

  test('moves its beginning to archives, and is read and verified as one', async () => {
    for (const port of [2000, 2001, 2002, 2003, 2004]) commit(opening(`at-${port}`, port))
    const before = await store.entries(0, 100)
    await store.archive(2)
    expect(store.log.base).toMatchObject({ entry: 3, generation: 3 })
    expect(store.history(0, 10).map(({ generation }) => generation)).toEqual([5, 4])
    expect(await verdictOf(store, directory)).toEqual({ entries: 5, missing: [], seen: null })
    const read: unknown[] = []
    for (let after = 0; after < 5; ) {
      const { entries } = await store.entries(after, 2)
      read.push(...entries)
      after = entries.at(-1)?.entry ?? 5
    }
    expect(read).toEqual(before.entries)
    commit(closing('at-2000'))
    await store.archive(1)
    expect(store.log.base.entry).toBe(5)
    expect(await verdictOf(store, directory)).toMatchObject({ entries: 6, missing: [] })
  })

  test('keeps the way back from a change that waits', async () => {
    commit(opening('a', 2000))
    store.commit(opening('b', 2001), origin, careful, { confirmWithin: 60_000 })
    for (const at of [1, 2, 3]) store.commit(closing('a', `${at}`), { ...origin, command: 'expiry' }, careful)
    await store.archive(1)
    expect(store.log.base.generation).toBe(1)
    expect(store.history(1, 10)).toHaveLength(4)
  })
})

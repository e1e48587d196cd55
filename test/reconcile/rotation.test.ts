/** The log in the store does not grow for ever, and what cannot be archived stays where it is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startRotation } from '../../src/reconcile/rotation.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { careful, opening, origin } from '../store/changes.ts'
import { verdictOf } from '../store/log.ts'

let directory: string
let store: Store
const told: string[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-rotation-'))
  store = openSqliteStore(join(directory, 'store.db'))
  told.length = 0
})

afterEach(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

function commit(count: number): void {
  for (let done = 0; done < count; done += 1) {
    store.commit(opening('moving', 2000 + (store.generation % 1000)), origin, careful)
  }
}

const much = 1e12
const rotate = (entries: number, margin: number, bytes: number) =>
  startRotation(store, (why) => told.push(why), { entries, margin, bytes })
const movesTo = (entry: number) =>
  expect.poll(() => store.log.base.entry, { timeout: 20_000, interval: 20 }).toBe(entry)

test('entries move when there are more than is kept and a margin, and not before', async () => {
  rotate(20, 10, much)
  commit(29)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(store.log.base.entry).toBe(0)
  commit(1)
  await movesTo(10)
  commit(10)
  await movesTo(20)
  expect(await verdictOf(store, directory)).toMatchObject({ entries: 40, missing: [] })
})

test('what has grown while nothing ran moves at the start', async () => {
  commit(30)
  rotate(20, 10, much)
  await movesTo(10)
})

test('a store that has grown too large lets go of the older half, but not of the last few', async () => {
  commit(19)
  rotate(1000, 100, 1)
  expect(store.log.base.entry).toBe(0)
  commit(1)
  await movesTo(10)
})

test('where it fails it is told, nothing is lost, and it is tried again later', async () => {
  writeFileSync(join(directory, 'audit'), 'a file in the place of the directory')
  rotate(20, 10, much)
  commit(30)
  await expect
    .poll(() => told, { timeout: 20_000 })
    .toEqual([expect.stringMatching(/could not be archived: .*audit/)])
  commit(9)
  rmSync(join(directory, 'audit'))
  expect([store.log.base.entry, told.length]).toEqual([0, 1])
  commit(1)
  await movesTo(20)
  expect(await verdictOf(store, directory)).toMatchObject({ entries: 40, missing: [] })
})

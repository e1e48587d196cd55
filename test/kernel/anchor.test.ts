/** The anchor belongs to one socket: as long as that lives, nothing that others do takes it away. */
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { anchorText } from '../../src/compile/anchor.ts'
import { printSkeleton, skeletonOf } from '../../src/compile/skeleton.ts'
import { type Door, openDoor } from '../../src/kernel/door.ts'
import type { Report } from '../../src/kernel/watcher.ts'
import { defaultSettings } from '../../src/model/gateway.ts'
import { enterNewNetwork, run } from './network.ts'

const skeleton = printSkeleton(skeletonOf({ mark: defaultSettings.mark, used: [] }))
const seen: Report[] = []
let door: Door

beforeAll(async () => {
  enterNewNetwork()
  door = await openDoor()
  await door.watch((report) => {
    if (report.kind === 'changed' || report.kind === 'lost') seen.push(report)
  })
  await door.own(anchorText)
})
afterAll(() => door.close())

const tables = () => run('nft', 'list tables')
/** By its handle, a table that was made anew is another one. */
const anchor = () =>
  /anchor.*handle \d+/.exec(run('nft', '-a', 'list', 'table', 'inet', 'drawbridge_anchor'))?.[0]

test('a flush of the whole ruleset passes it by, and nobody else can delete it', () => {
  const before = anchor()
  run('nft', 'flush ruleset')
  expect(anchor()).toBe(before)
  expect(() => run('nft', 'delete table inet drawbridge_anchor')).toThrow(/not permitted/)
})

/** libnftables then reads anew what it had begun to read, and in some versions by another socket. */
test('it outlives every reading that another program’s commits tear, and what we load meanwhile is known as ours', async () => {
  const before = anchor()
  const restless = new Worker(new URL('committing.ts', import.meta.url))
  try {
    await new Promise((resolve) => restless.once('message', resolve))
    seen.length = 0
    for (let round = 0; round < 20; round += 1) await door.runNft(skeleton)
  } finally {
    await restless.terminate()
  }
  expect(anchor()).toBe(before)
  expect(seen).toEqual([])
  run('nft', 'add rule inet drawbridge guard accept')
  await expect.poll(() => seen, { timeout: 3000 }).toMatchObject([{ kind: 'changed', by: 'nft' }])
})

test('a second owner is refused, and one that lets go leaves nothing', async () => {
  const second = await openDoor()
  await expect(second.own(anchorText)).rejects.toThrow(/not permitted/)
  await door.letGo()
  expect(tables()).not.toMatch(/anchor/)
  await second.own(anchorText)
  expect(tables()).toMatch(/anchor/)
  await second.close()
})

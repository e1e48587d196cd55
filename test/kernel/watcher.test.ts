/** Who changed our table: other programs are reported by name, ourselves are not, and of other tables only that. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { printSkeleton, skeletonOf } from '../../src/compile/skeleton.ts'
import { type Door, openDoor } from '../../src/kernel/door.ts'

import type { Report } from '../../src/kernel/watcher.ts'

import { defaultSettings } from '../../src/model/gateway.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

const skeleton = printSkeleton(skeletonOf({ mark: defaultSettings.mark, used: [] }))
/** What was done to the table, how often other tables changed, and how often the machine did. */
const seen: Report[] = []
let elsewhere = 0
let moves = 0
let door: Door

function hear(): void {
  run(
    'nft',
    'add element inet drawbridge masqueraded { 0:1 }; delete element inet drawbridge masqueraded { 0:1 }',
  )
  expect(seen).not.toEqual([])
}

beforeAll(async () => {
  enterNewNetwork()
  door = await openDoor()
  await door.runNft(skeleton)
  await door.watch((report) => {
    if (report.kind === 'moved') moves += 1
    else if (report.kind === 'elsewhere') elsewhere += 1
    else seen.push(report)
  })
  // Proves that it listens before anything is concluded from its silence.
  await vi.waitFor(hear, { interval: 100, timeout: 5000 })
})

beforeEach(async () => {
  await sleep(200)
  seen.length = 0
  elsewhere = 0
  moves = 0
})

afterAll(() => door.close())

test.each([
  ['an element', 'add element inet drawbridge masqueraded { 0:7 }'],
  ['a rule', 'add rule inet drawbridge guard accept'],
  ['a set', 'add set inet drawbridge more { type ipv4_addr; }'],
])('%s by another program is reported, with its name', async (_, command) => {
  run('nft', command)
  await expect
    .poll(() => seen, { timeout: 3000 })
    .toEqual([{ kind: 'changed', by: 'nft', pid: expect.any(Number) }])
})

test('a whole ruleset flushed is reported', async () => {
  run('nft', 'flush ruleset')
  await expect.poll(() => seen, { timeout: 3000 }).toMatchObject([{ kind: 'changed', by: 'nft' }])
  await door.runNft(skeleton)
})

test('what we write is not, and of other tables only that they have changed', async () => {
  await door.runNft(skeleton)
  await door.write({ remove: [], add: [{ set: 'masqueraded', key: '0:9' }] })
  expect(elsewhere).toBe(0)
  run('nft', 'add table inet drawbridge_other; add set inet drawbridge_other masqueraded { type ipv4_addr; }')
  run('nft', 'add element inet drawbridge masqueraded { 0:8 }')
  // What comes first was reported first: had our own changes been, they would stand before this one.
  await expect.poll(() => seen, { timeout: 3000 }).toMatchObject([{ kind: 'changed', by: 'nft' }])
  expect(elsewhere).toBe(1)
  run('nft', 'delete table inet drawbridge_other')
  await expect.poll(() => elsewhere, { timeout: 3000 }).toBe(2)
})

test.each([
  ['an interface that appears', ['link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two']],
  ['one that goes up', ['link', 'set', 'one', 'up']],
  ['an address', ['address', 'add', '192.0.2.1/24', 'dev', 'one']],
  ['a default route', ['route', 'add', 'default', 'dev', 'one']],
  ['half a default route of IPv6', ['-6', 'route', 'add', '8000::/1', 'dev', 'one']],
  ['another name', ['link', 'set', 'two', 'name', 'three']],
  ['an address that goes', ['address', 'del', '192.0.2.1/24', 'dev', 'one']],
  ['an interface that goes', ['link', 'del', 'one']],
] as const)('%s is reported as a move of the machine', async (_, command) => {
  run('ip', ...command)
  await expect.poll(() => moves, { timeout: 3000 }).toBeGreaterThan(0)
})

test('a route to one network is not: a router may learn thousands of them a second', async () => {
  addLinks('four', 'five')
  await sleep(300)
  moves = 0
  run('ip', 'route', 'add', '198.51.100.0/24', 'dev', 'four')
  run('ip', '-6', 'route', 'add', '2001:db8::/32', 'dev', 'four')
  await sleep(200)
  expect(moves).toBe(0)
  run('ip', 'route', 'add', 'default', 'dev', 'four')
  await expect.poll(() => moves, { timeout: 3000 }).toBe(1)
})

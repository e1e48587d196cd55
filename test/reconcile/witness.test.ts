/** The agent sees the log grow: it follows every step, and nobody leads it to another log. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openWitness } from '../../src/agent/witness.ts'
import { chainStart, digestOf, follow } from '../../src/chain.ts'
import { startWitness } from '../../src/reconcile/witness.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { linkOf } from '../../src/store/record.ts'
import { careful, opening, origin } from '../store/changes.ts'
import { memoryAgent } from './agent.ts'
import { handClock } from './clock.ts'

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'drawbridge-witness-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

const digests = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(64))
const start = { entry: 0, hash: chainStart }
const after = (count: number) => ({
  entry: count,
  hash: digests.slice(0, count).reduce((hash, digest) => follow(hash, digest), chainStart),
})

test('the agent follows by digests, and knows the place after it was started anew', () => {
  const path = directory()
  expect(openWitness(path).see(start, digests.slice(0, 2))).toEqual(after(2))
  expect(openWitness(path).see(after(2), digests.slice(2))).toEqual(after(4))
  expect(openWitness(path).see(start, [])).toEqual(after(4))
  expect(JSON.parse(readFileSync(join(path, 'audit.json'), 'utf8'))).toEqual(after(4))
  expect(statSync(join(path, 'audit.json')).mode & 0o777).toBe(0o600)
})

test('the agent takes a way that leads over its place, however far back it begins', () => {
  const witness = openWitness(directory())
  witness.see(start, digests.slice(0, 2))
  expect(witness.see(start, digests)).toEqual(after(4))
})

test.each([
  ['that ends before its place', start, digests.slice(0, 1)],
  ['with another entry in the past', start, [digests[3], ...digests.slice(1)] as string[]],
  ['that begins at its number with another hash', { entry: 3, hash: 'e'.repeat(64) }, digests],
  ['that leaves out the way from its place', { entry: 9, hash: 'e'.repeat(64) }, digests],
])('the agent is not led by a log %s', (_, base, shown) => {
  const witness = openWitness(directory())
  witness.see(start, digests.slice(0, 3))
  expect(witness.see(base, shown)).toEqual(after(3))
})

test('when root removes the file, the agent begins anew with what it is shown', () => {
  const path = directory()
  openWitness(path).see(start, digests)
  const other = { entry: 2, hash: 'e'.repeat(64) }
  expect(openWitness(path).see(other, [])).toEqual(after(4))
  rmSync(join(path, 'audit.json'))
  expect(openWitness(path).see(other, [])).toEqual(other)
})

test('a file that was cut off is as good as none', () => {
  const path = directory()
  openWitness(path).see(start, digests)
  writeFileSync(join(path, 'audit.json'), '{"entry":4,')
  expect(openWitness(path).see(after(4), [])).toEqual(after(4))
})

function witnessed() {
  const store = openMemoryStore()
  const agent = memoryAgent()
  const clock = handClock(origin.at)
  const told: number[] = []
  const stop = startWitness(store, agent, clock, (entry) => told.push(entry))
  onTestFinished(stop)
  const seen = () => agent.ask({ verb: 'witness', base: { entry: 0, hash: chainStart }, digests: [] })
  const commit = (port: number) => store.commit(opening('moving', port), origin, careful)
  const place = () => ({ entry: store.log.head.entry, hash: store.log.head.hash })
  return { store, agent, clock, told, seen, commit, place }
}

test('the controller shows each entry, changes and acts', async () => {
  const { store, clock, told, seen, commit, place } = witnessed()
  for (const port of [2000, 2001, 2002]) commit(port)
  store.record({ ...origin, command: 'down' })
  await clock.pass(0)
  expect(await seen()).toEqual(place())
  commit(2003)
  await clock.pass(0)
  expect(await seen()).toEqual({ ...place(), entry: 5 })
  expect(told).toEqual([])
})

test('what was entered while the agent was away is shown when it has come back', async () => {
  const { agent, clock, told, seen, commit, place } = witnessed()
  commit(2000)
  await clock.pass(0)
  agent.goAway()
  for (const port of [2001, 2002]) commit(port)
  await clock.pass(5000)
  agent.comeBack()
  await clock.pass(5000)
  expect(await seen()).toEqual({ ...place(), entry: 3 })
  expect(told).toEqual([])
})

test.each([
  ['shorter', 1],
  ['as long, but another', 3],
  ['longer, but another', 5],
])('a log that is %s is told once, and the agent stays with what it has seen', async (_, count) => {
  const former = witnessed()
  for (const port of [2000, 2001, 2002]) former.commit(port)
  await former.clock.pass(0)
  const place = await former.seen()
  const store = openMemoryStore()
  for (let port = 0; port < count; port += 1) store.commit(opening('moving', 3000 + port), origin, careful)
  const told: number[] = []
  onTestFinished(startWitness(store, former.agent, former.clock, (entry) => told.push(entry)))
  await former.clock.pass(0)
  store.record({ ...origin, command: 'down' })
  await former.clock.pass(0)
  expect(told).toEqual([3])
  expect(await former.seen()).toEqual(place)
  const [entry] = (await store.entries(0, 1)).entries
  expect(entry && follow(chainStart, digestOf(linkOf(entry)))).toBe(entry?.hash)
})

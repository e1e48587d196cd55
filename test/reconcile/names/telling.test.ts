/** From the forwards to the agent: which names are followed, and when the agent is told where they lead. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { AgentClient } from '../../../src/agent/client.ts'
import type { AgentMessage } from '../../../src/agent/protocol.ts'
import { Problem } from '../../../src/model/problem.ts'
import { memoryKeeper, readMemory } from '../../../src/reconcile/names/memory.ts'
import { locatingFirst, teller } from '../../../src/reconcile/names/telling.ts'
import { wantedNames } from '../../../src/reconcile/names/wanted.ts'
import { openMemoryStore } from '../../../src/store/memory.ts'
import { careful, type change, closing, opening, origin } from '../../store/changes.ts'
import { memoryAgent, putOf } from '../agent.ts'
import { handClock } from '../clock.ts'

const address = (text: string) => ({ address: { family: 4, text } }) as const

describe('followed is', () => {
  test('each name of forwards that are on, once, until the last of them has gone', () => {
    const store = openMemoryStore()
    const followed: string[][] = []
    const learn = wantedNames(store, (names) => followed.push([...names].sort()))
    learn()
    store.onCommit(learn)
    const commit = (wanted: ReturnType<typeof change>) => store.commit(wanted, origin, careful)
    const to = 'app.example.org:80, srv:_x._tcp.example.org, container:web:80, 10.0.0.5:80'.split(', ')
    commit(opening('one', 2000, { to }))
    commit(opening('two', 2001, { to: 'app.example.org:81' }))
    commit(opening('off', 2002, { to: 'off.example.org:80', enabled: false }))
    commit(closing('one'))
    commit(opening('two', 2001, { to: '10.0.0.6:80' }))
    const both = ['app.example.org', 'srv:_x._tcp.example.org']
    expect(followed).toEqual([[], both, both, ['app.example.org'], []])
  })
})

describe('the agent', () => {
  let asked: AgentMessage[]
  let away: boolean
  let agent: AgentClient

  beforeEach(() => {
    asked = []
    away = false
    const plain = memoryAgent()
    agent = {
      ...plain,
      ask: async (message) => {
        if (away) throw Problem.of('agent-away', {})
        asked.push(message)
        return plain.ask(message)
      },
    }
  })

  test('is told where names lead with the forwards that have them, and of unknown ones nothing', async () => {
    const settled: (readonly string[])[] = []
    const first = locatingFirst(agent, {
      settle: async (names) => void settled.push(names),
      places: (name) => (name === 'known' ? [address('10.0.0.5')] : []),
      namesIn: () => ['known', 'unknown'],
    })
    const put = putOf(1, null, { 1: 'tcp/2000 -> known:80' })
    await first.ask(put)
    const located = [{ name: 'known', at: [{ address: '10.0.0.5' }] }]
    expect(asked).toEqual([{ ...put, located }])
    expect(settled).toEqual([['unknown']])
    asked = []
    await first.ask({ verb: 'weigh', change: put, own: [] })
    expect(asked.map(({ verb }) => verb)).toEqual(['locate', 'weigh'])
  })

  test('is told of every change, and again where it was away', async () => {
    const clock = handClock('2027-01-31T00:00:00Z')
    let leads = '10.0.0.5'
    const tell = teller(agent, () => [address(leads)], clock)
    tell(['app'])
    await clock.pass(0)
    away = true
    leads = '10.0.0.6'
    tell(['app', 'app'])
    await clock.pass(5000)
    expect(asked).toHaveLength(1)
    away = false
    leads = '10.0.0.7'
    await clock.pass(1000)
    expect(asked).toEqual(
      ['10.0.0.5', '10.0.0.7'].map((text) => ({
        verb: 'locate',
        located: [{ name: 'app', at: [{ address: text }] }],
      })),
    )
    await clock.pass(60_000)
    expect(asked).toHaveLength(2)
  })
})

describe('remembered is', () => {
  const known = new Map([
    ['app', { since: 5, known: { kind: 'addresses', addresses: [{ family: 4, text: '10.0.0.5' }] } }],
    [
      'srv:_x._tcp.a',
      { since: 6, known: { kind: 'services', services: [{ name: 'a', port: 80, weight: 1 }] } },
    ],
  ] as const)

  function place(): string {
    const directory = mkdtempSync(join(tmpdir(), 'names-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    return join(directory, 'names.json')
  }

  test('what was known, written a moment after it has changed', async () => {
    const path = place()
    const clock = handClock('2027-01-31T00:00:00Z')
    const keep = memoryKeeper(path, () => known, clock)
    keep()
    keep()
    expect(existsSync(path)).toBe(false)
    await clock.pass(1000)
    await expect.poll(() => existsSync(path)).toBe(true)
    expect(readMemory(path)).toEqual(known)
  })

  test.each([
    ['no file', undefined],
    ['a file that is cut off', '{"version":1,"names":{"app":{"since":5,'],
    ['another version', '{"version":2,"names":{}}'],
    [
      'no good entry',
      '{"version":1,"names":{"app":{"since":5,"known":{"kind":"addresses","addresses":["nonsense"]}}}}',
    ],
  ])('nothing of %s', (_, text) => {
    const path = place()
    if (text !== undefined) writeFileSync(path, text)
    expect(readMemory(path)).toEqual(new Map())
  })

  test('each good entry beside a bad one', async () => {
    const path = place()
    const clock = handClock('2027-01-31T00:00:00Z')
    memoryKeeper(path, () => known, clock)()
    await clock.pass(1000)
    await expect.poll(() => existsSync(path)).toBe(true)
    const text = readFileSync(path, 'utf8').replace('"weight":1', '"weight":"much"')
    writeFileSync(path, text)
    expect([...readMemory(path).keys()]).toEqual(['app'])
  })
})

/** One contract, held by every store: in memory and in SQLite. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { defaultSettings, parseList } from '../../src/model/gateway.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { problemOf } from '../model/problems.ts'
import { careful, change, closing, opening, origin } from './changes.ts'

let directory: string
let store: Store

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-store-'))
})

afterEach(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

const commit = (...[wanted, based]: [ReturnType<typeof change>, number?]) =>
  store.commit(wanted, origin, careful, { based })
const names = () => [...store.register.forwards.keys()].sort()

/** Everything that a store shows of the gateway. */
function shown() {
  const { forwards, lists, settings } = store.register
  const numbers = new Map(names().map((name) => [name, store.numberOf(name)]))
  const { generation, nextNumber, pending } = store
  return {
    generation,
    nextNumber,
    pending,
    numbers,
    forwards: new Map(forwards),
    lists: new Map(lists),
    settings,
  }
}

describe.each([
  ['memory', () => openMemoryStore()],
  ['SQLite', () => openSqliteStore(join(directory, 'store.db'))],
])('a store in %s', (_, open) => {
  beforeEach(() => {
    store = open()
  })

  test('is at generation 0 at first, and each change is the next one', () => {
    expect(store.generation).toBe(0)
    expect(commit(opening('a', 2000))).toBe(1)
    expect(commit(opening('b', 2001))).toBe(2)
    expect(commit(closing('a'))).toBe(3)
    expect(store.generation).toBe(3)
    expect(names()).toEqual(['b'])
  })

  test('takes a change that was made on what holds now, and no older one', () => {
    expect(commit(opening('a', 2000), 0)).toBe(1)
    const before = shown()
    const problem = problemOf(() => commit(opening('b', 2001), 0))
    expect(problem).toMatchObject({ code: 'stale-generation', status: 409 })
    expect(problem.message).toContain('generation 0')
    expect(problemOf(() => commit(opening('b', 2001), 2)).code).toBe('stale-generation')
    expect(shown()).toEqual(before)
    expect(commit(opening('b', 2001), 1)).toBe(2)
  })

  test('writes nothing of a change that is refused', () => {
    commit(opening('a', 2000))
    const before = shown()
    const wanted = change({ ...closing('a'), put: [...opening('b', 2001).put, ...opening('c', 2001).put] })
    expect(problemOf(() => commit(wanted)).code).toBe('listen-taken')
    expect(shown()).toEqual(before)
    expect(store.history(0, 10)).toHaveLength(1)
    expect(store.since(1)).toEqual({ forwards: new Set(), lists: new Set() })
  })

  test('gives each forward a number once and never again', () => {
    commit(opening('a', 2000))
    commit(opening('b', 2001))
    expect([store.numberOf('a'), store.numberOf('b'), store.nextNumber]).toEqual([1, 2, 3])
    commit(opening('a', 3000))
    expect(store.numberOf('a')).toBe(1)
    commit(closing('b'))
    expect(() => store.numberOf('b')).toThrow(/b/)
    commit(opening('b', 2001))
    expect(store.numberOf('b')).toBe(3)
  })

  test('a forward that is closed and opened in one change still has a number', () => {
    commit(opening('a', 2000))
    commit(change({ ...opening('a', 2001), remove: ['a'] }))
    expect(store.numberOf('a')).toBeGreaterThan(0)
  })

  test('numbers many in the order in which they come', () => {
    commit(change({ put: [...opening('x', 2000).put, ...opening('a', 2001).put, ...opening('m', 2002).put] }))
    expect(['x', 'a', 'm'].map((name) => store.numberOf(name))).toEqual([1, 2, 3])
  })

  test('says what has changed since, by name', () => {
    commit(opening('a', 2000))
    commit(change({ ...opening('b', 2001), putLists: [parseList('office', ['10.0.0.0/8'])] }))
    commit(change({ ...closing('a'), removeLists: ['office'] }))
    expect(store.since(3)).toEqual({ forwards: new Set(), lists: new Set() })
    expect(store.since(2)).toEqual({ forwards: new Set(['a']), lists: new Set(['office']) })
    expect(store.since(0)).toEqual({ forwards: new Set(['a', 'b']), lists: new Set(['office']) })
    expect(store.since(4)).toBeUndefined()
  })

  test('does not remember what changed a thousand generations ago', () => {
    const ports = Array.from({ length: 1001 }, (_, index) => 2000 + index)
    for (const port of ports.slice(0, 1000)) commit(opening('a', port))
    expect(store.since(0)?.forwards).toEqual(new Set(['a']))
    commit(opening('a', 3000))
    expect(store.since(0)).toBeUndefined()
    expect(store.since(1)?.forwards).toEqual(new Set(['a']))
  })

  test('tells those who listen after each commit, when it already holds', () => {
    const heard: [number, string[]][] = []
    store.onCommit(() => heard.push([store.generation, names()]))
    commit(opening('a', 2000))
    problemOf(() => commit(opening('b', 2000)))
    commit(closing('a'))
    expect(heard).toEqual([
      [1, ['a']],
      [2, []],
    ])
  })

  test('keeps who changed what, newest first', () => {
    commit(opening('a', 2000))
    store.commit(
      change({ settings: { ...defaultSettings, privileged: true } }),
      { ...origin, actor: 'bob', how: 'api' },
      careful,
    )
    commit(opening('a', 80))
    expect(store.history(0, 10).map(({ generation, actor }) => [generation, actor])).toEqual([
      [3, 'ada'],
      [2, 'bob'],
      [1, 'ada'],
    ])
    expect(store.history(1, 1)).toMatchObject([
      {
        ...origin,
        generation: 3,
        forwards: { a: { before: { listen: 'tcp/2000' }, after: { listen: 'tcp/80' } } },
      },
    ])
  })

  test('with a change that waits for its confirmation, takes no other but the revert', () => {
    commit(opening('a', 2000))
    store.commit(opening('b', 2001), origin, careful, { confirmWithin: 60_000 })
    expect(store.pending).toEqual({
      base: 1,
      deadline: '2027-01-31T00:01:00.000Z',
      windowMilliseconds: 60_000,
    })
    expect(problemOf(() => commit(opening('c', 2002))).code).toBe('unconfirmed')
    store.commit(closing('b'), { ...origin, how: 'revert', command: 'revert' }, careful)
    expect(store.pending).toBeNull()
    store.commit(opening('b', 2001), origin, careful, { confirmWithin: 60_000 })
    store.confirm({ ...origin, command: 'confirm' })
    expect(store.pending).toBeNull()
    expect(commit(opening('c', 2002))).toBe(5)
  })
})

describe('in SQLite, opened again', () => {
  const open = () => openSqliteStore(join(directory, 'store.db'))
  const again = () => {
    store.close()
    store = openMemoryStore()
    store = open()
  }

  beforeEach(() => {
    store = open()
  })

  test('it is as it was', () => {
    const full = {
      from: ['office', '10.0.0.0/8'],
      limits: { new_per_source: '3/s' },
      expires: '2030-01-01T00:00:00Z',
      note: 'Zoë’s "lab"',
    }
    commit(change({ ...opening('a', 2000, full), putLists: [parseList('office', ['10.0.0.1', 'fd00::/8'])] }))
    commit(change({ settings: { privileged: true, mark: { value: 1, mask: 0xff }, locked: false } }))
    commit(opening('low', 80))
    store.commit(opening('b', 2001), origin, careful, { confirmWithin: 60_000 })
    const before = shown()
    const history = store.history(0, 10)
    again()
    expect(shown()).toEqual(before)
    expect(store.history(0, 10)).toEqual(history)
    expect(store.since(4)).toEqual({ forwards: new Set(), lists: new Set() })
    expect(store.since(3)).toBeUndefined()
  })

  test('it does not give a number again', () => {
    commit(opening('a', 2000))
    commit(opening('b', 2001))
    commit(closing('a', 'b'))
    again()
    commit(opening('a', 2000))
    expect(store.numberOf('a')).toBe(3)
  })

  test('it holds what was taken one by one, whatever leads where', () => {
    const steps = [
      opening('a', 1025, { to: '203.0.113.6:2000' }),
      opening('c', 2001, { listen: 'tcp/2001@203.0.113.6' }),
      opening('b', 2000),
    ]
    for (const step of steps) {
      try {
        commit(step)
      } catch {
        // Refused here, it is not there to be refused later.
      }
    }
    const before = shown()
    again()
    expect(shown()).toEqual(before)
  })
})

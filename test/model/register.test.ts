/** All forwards together: a change holds whole, or nothing of it does. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Forward, parseForward } from '../../src/model/forward.ts'
import { defaultSettings, parseGateway, parseList } from '../../src/model/gateway.ts'
import {
  asKept,
  type Change,
  changeTo,
  isEmpty,
  noChange,
  Register,
  sameForward,
} from '../../src/model/register.ts'
import { gateways, holds, nowhere, registerOf } from './arbitrary.ts'
import { expectClean, must, problemOf } from './problems.ts'

const careful = { privileged: false, ours: new Set<string>() }
const forward = (name: string, listen: string, more: object = {}) =>
  parseForward({ name, listen, to: '10.0.0.5', ...more })
const change = (parts: Partial<Change>): Change => ({ ...noChange, ...parts })

/** Everything that can be seen of a register from outside, also who answers at each opening that anybody might hold. */
function seen(register: Register) {
  const addresses = ['203.0.113.5', '203.0.113.6', '198.51.100.1', '2001:db8::5', '2001:db8::6']
  const takers = addresses.flatMap((text) => {
    const address = { family: text.includes(':') ? (6 as const) : (4 as const), text }
    const ports = Array.from({ length: 80 }, (_, index) => 1995 + index)
    return [
      register.openings.holds(address),
      register.openings.ping(address)?.name,
      ...ports.flatMap((port) => [
        register.openings.at(address, 'tcp', port)?.name,
        register.openings.at(address, 'udp', port)?.name,
      ]),
    ]
  })
  const { forwards, lists, settings } = register
  return { forwards: new Map(forwards), lists: new Map(lists), settings, takers }
}

function standing(): Register {
  const register = new Register()
  register.apply(
    change({
      put: [forward('web', 'tcp/2000'), forward('dns', 'udp/2001@203.0.113.5', { from: ['office'] })],
      putLists: [parseList('office', ['198.51.100.0/24'])],
    }),
    careful,
  )
  return register
}

describe('a refused change leaves everything as it was', () => {
  const refused: readonly (readonly [string, string, Change])[] = [
    ['an opening that is taken', 'listen-taken', change({ put: [forward('b', 'tcp/2000')] })],
    [
      'a name given twice',
      'name-taken',
      change({ put: [forward('b', 'tcp/2010'), forward('b', 'tcp/2011')] }),
    ],
    [
      'the last of many',
      'listen-taken',
      change({ put: [forward('b', 'tcp/2002'), forward('c', 'tcp/2003'), forward('d', 'tcp/2000')] }),
    ],
    [
      'two of the same change',
      'listen-taken',
      change({ put: [forward('b', 'tcp/2005'), forward('c', 'tcp/2004-2006')] }),
    ],
    [
      'one after others were removed',
      'listen-taken',
      change({ remove: ['dns'], put: [forward('b', 'tcp/2000')] }),
    ],
    ['one that replaces', 'privileged-port', change({ put: [forward('web', 'tcp/80')] })],
    [
      'one with a list that is not there',
      'unknown-list',
      change({ put: [forward('b', 'tcp/2002', { from: ['home'] })] }),
    ],
    ['a list that is in use', 'unknown-list', change({ removeLists: ['office'] })],
    [
      'settings along with a bad forward',
      'listen-taken',
      change({ settings: { ...defaultSettings, privileged: true }, put: [forward('b', 'tcp/2000')] }),
    ],
    [
      'lists along with a bad forward',
      'listen-taken',
      change({ putLists: [parseList('office', []), parseList('home', [])], put: [forward('b', 'tcp/2000')] }),
    ],
    [
      'a forward to itself',
      'loop',
      change({ put: [forward('b', 'tcp/2002@198.51.100.1', { to: '198.51.100.1' })] }),
    ],
  ]

  test.each(refused)('%s', (_, code, wanted) => {
    const register = standing()
    const before = seen(register)
    const problem = problemOf(() => register.apply(wanted, careful))
    expect(problem.code).toBe(code)
    expectClean(problem)
    expect(seen(register)).toEqual(before)
    expect(problemOf(() => register.check(wanted, careful)).message).toBe(problem.message)
    expect(seen(register)).toEqual(before)
  })

  test('so the same change can be made when its reason is gone', () => {
    const register = standing()
    const wanted = change({ put: [forward('b', 'tcp/2002'), forward('c', 'tcp/2000')] })
    expect(() => register.apply(wanted, careful)).toThrow(/"web"/)
    register.apply(change({ remove: ['web'] }), careful)
    register.apply(wanted, careful)
    expect([...register.forwards.keys()].sort()).toEqual(['b', 'c', 'dns'])
  })
})

describe('a change holds', () => {
  test('and can be taken back whole', () => {
    const register = standing()
    const before = seen(register)
    const undo = register.apply(
      change({
        put: [forward('web', 'tcp/2020'), forward('new', 'tcp/2000', { from: ['home'] })],
        remove: ['dns'],
        putLists: [parseList('home', ['10.0.0.0/8'])],
        removeLists: ['office'],
        settings: { ...defaultSettings, privileged: true },
      }),
      careful,
    )
    expect(register.openings.at({ family: 4, text: '203.0.113.5' }, 'tcp', 2000)?.name).toBe('new')
    undo()
    expect(seen(register)).toEqual(before)
  })

  test('checked only, it does not', () => {
    const register = standing()
    const before = seen(register)
    register.check(change({ put: [forward('b', 'tcp/2002')], remove: ['web'] }), careful)
    expect(seen(register)).toEqual(before)
  })

  test('openings can be swapped in one change', () => {
    const register = standing()
    register.apply(change({ put: [forward('other', 'tcp/2002')] }), careful)
    register.apply(change({ put: [forward('web', 'tcp/2002'), forward('other', 'tcp/2000')] }), careful)
    expect(register.openings.at({ family: 4, text: '203.0.113.5' }, 'tcp', 2000)?.name).toBe('other')
  })

  test('below 1024 only when that is meant: said now, or by the settings', () => {
    const low = change({ put: [forward('low', 'tcp/80,2002')] })
    const problem = problemOf(() => standing().apply(low, careful))
    expect(problem.code).toBe('privileged-port')
    expect(problem.message).toContain('port 80')
    expect(() => standing().apply(low, { ...careful, privileged: true })).not.toThrow()
    const settings = { ...defaultSettings, privileged: true }
    expect(() => standing().apply({ ...low, settings }, careful)).not.toThrow()
  })

  test('with at most 64 different rates, as each is one rule', () => {
    const many = Array.from({ length: 65 }, (_, index) =>
      forward(`f${index}`, `tcp/${3000 + index}`, { limits: { new_per_source: `${index + 1}/s` } }),
    )
    const register = new Register()
    expect(problemOf(() => register.apply(change({ put: many }), careful)).code).toBe('too-many-limits')
    register.apply(change({ put: many.slice(1) }), careful)
    expect(register.forwards.size).toBe(64)
    const [first] = many
    if (!first) throw new Error('there is none')
    expect(problemOf(() => register.apply(change({ put: [first] }), careful)).code).toBe('too-many-limits')
    register.apply(change({ put: [first], remove: ['f64'] }), careful)
    expect(register.forwards.size).toBe(64)
  })
})

test('a name that is not there is answered with the nearest one', () => {
  const problem = problemOf(() => standing().named('wob'))
  expect(problem).toMatchObject({ code: 'no-such-forward', status: 404, remedy: 'Did you mean "web"?' })
  expectClean(problemOf(() => standing().named('\u202e\n'.repeat(100))))
  expect(standing().named('web').name).toBe('web')
})

describe('what differs', () => {
  const written = parseGateway({
    version: 1,
    lists: { office: ['198.51.100.0/24'] },
    forwards: [
      { name: 'web', listen: 'tcp/2000', to: '10.0.0.5' },
      { name: 'new', listen: 'tcp/2002', to: '10.0.0.5' },
    ],
  })

  test('is all that a change is reduced to', () => {
    const { put, remove, putLists, settings } = changeTo(standing(), written, false)
    expect(put.map(({ name }) => name)).toEqual(['new'])
    expect({ remove, putLists, settings }).toEqual({ remove: [], putLists: [], settings: null })
  })

  test('with prune, what is not named goes', () => {
    const register = standing()
    register.apply(change({ putLists: [parseList('home', [])] }), careful)
    const wanted = changeTo(register, written, true)
    expect(wanted.remove).toEqual(['dns'])
    expect(wanted.removeLists).toEqual(['home'])
    register.apply(wanted, careful)
    expect(isEmpty(changeTo(register, written, true))).toBe(true)
  })

  test('two spellings of one forward are the same', () => {
    expect(sameForward(parseForward('tcp/8443 -> 10.0.0.5'), parseForward('TCP/8443 -> 10.0.0.5:8443'))).toBe(
      true,
    )
    expect(sameForward(parseForward('tcp/8443 -> 10.0.0.5'), parseForward('tcp/8443 -> 10.0.0.6'))).toBe(
      false,
    )
  })
})

test('from any gateway to any other: refused, nothing changed; taken, it is as if it had never been otherwise', () => {
  holds(
    fc.tuple(gateways, gateways, fc.boolean()),
    ([first, second, prune]) => {
      const register = registerOf(first)
      const before = seen(register)
      try {
        register.apply(changeTo(register, second, prune), nowhere)
      } catch {
        expect(seen(register)).toEqual(before)
        return
      }
      const whole = {
        settings: register.settings,
        lists: [...register.lists.values()],
        forwards: [...register.forwards.values()],
      }
      expect(seen(register)).toEqual(seen(registerOf(whole)))
      for (const one of second.forwards) expect(must(register.forwards.get(one.name))).toEqual(one)
    },
    100,
  )
})

test('forwards through proxies have at most as many ports as proxies have here; those that share an opening count once', () => {
  const proxied = (at: number, ports: string, own: object = {}) =>
    parseForward({ name: `f${at}`, listen: `tcp/${ports}`, to: '10.0.0.5:80', via: 'haproxy', ...own })
  const many = (count: number) =>
    Array.from({ length: count }, (_, at) => proxied(at, `${2000 + at * 100}-${2099 + at * 100}`))
  const sharing = Array.from({ length: 50 }, (_, at) =>
    proxied(100 + at, '1443', { sni: `host${at}.example.org` }),
  )
  const register = new Register()
  const check = (put: readonly Forward[]) => register.check({ ...noChange, put }, asKept)
  check(many(40))
  check([...many(39), ...sharing])
  expect(problemOf(() => check(many(41))).code).toBe('too-many-proxied')
  register.apply({ ...noChange, put: many(40) }, asKept)
  expect(problemOf(() => check(sharing.slice(0, 1))).code).toBe('too-many-proxied')
  register.apply({ ...noChange, remove: ['f0'] }, asKept)
  check(sharing)
})

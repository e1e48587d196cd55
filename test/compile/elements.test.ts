/** What one forward is in the kernel, element by element. */
import { describe, expect, test } from 'vitest'
import { differenceOf, hold, isNothing, printDifference } from '../../src/compile/difference.ts'
import { classid, numberOf } from '../../src/compile/element.ts'
import { admitterOf, elementsOf, neededSets } from '../../src/compile/elements.ts'
import { readAddress } from '../../src/model/address.ts'
import { nothingKnown } from '../../src/model/endpoints.ts'
import { parseForward } from '../../src/model/forward.ts'
import { parseList } from '../../src/model/gateway.ts'
import { must } from '../model/problems.ts'

const known = {
  ...nothingKnown,
  lists: new Map([['office', parseList('office', ['198.51.100.0/24', '2001:db8:7::/48', '203.0.113.7'])]]),
}

/** The elements as `set { key : data }`. */
function linesOf(written: unknown, number = 0x10002): string[] {
  return elementsOf({ number, forward: parseForward(written) }, known).map(
    ({ set, key, data }) => `${set} { ${key}${data === undefined ? '' : ` : ${data}`} }`,
  )
}

describe('a forward is', () => {
  test('an opening and a target for each port', () => {
    expect(linesOf('tcp/8000-8001 -> 10.0.0.5:80')).toEqual([
      'openings { ipv4 . tcp . 8000 : 1:2 }',
      'openings { ipv4 . tcp . 8001 : 1:2 }',
      'targets4 { 1:2 . tcp . 8000 : 10.0.0.5 . 80 }',
      'targets4 { 1:2 . tcp . 8001 : 10.0.0.5 . 81 }',
    ])
  })

  test.each([
    [
      'tcp/80@203.0.113.5 -> 10.0.0.5',
      ['openings_at4 { 203.0.113.5 . tcp . 80 : 1:2 }', 'targets4 { 1:2 . tcp . 80 : 10.0.0.5 . 80 }'],
    ],
    [
      'udp/53@2001:db8::5 -> fd00::5',
      ['openings_at6 { 2001:db8::5 . udp . 53 : 1:2 }', 'targets6 { 1:2 . udp . 53 : fd00::5 . 53 }'],
    ],
    [
      'tcp/80%eth0 -> fd00::5',
      ['openings_on { "eth0" . ipv6 . tcp . 80 : 1:2 }', 'targets6 { 1:2 . tcp . 80 : fd00::5 . 80 }'],
    ],
    ['icmp@203.0.113.5 -> 10.0.0.5', ['pings4 { 203.0.113.5 : 1:2 }', 'ping_targets4 { 1:2 : 10.0.0.5 }']],
    ['icmp@2001:db8::5 -> fd00::5', ['pings6 { 2001:db8::5 : 1:2 }', 'ping_targets6 { 1:2 : fd00::5 }']],
  ])('by its place: %s', (short, lines) => {
    expect(linesOf(short)).toEqual(lines)
  })

  test('one of each for each protocol and family', () => {
    expect(linesOf('tcp+udp/53 -> 10.0.0.5, fd00::5').filter((line) => line.startsWith('openings'))).toEqual([
      'openings { ipv4 . tcp . 53 : 1:2 }',
      'openings { ipv4 . udp . 53 : 1:2 }',
      'openings { ipv6 . tcp . 53 : 1:2 }',
      'openings { ipv6 . udp . 53 : 1:2 }',
    ])
  })

  test('nothing when it is switched off', () => {
    expect(linesOf({ listen: 'tcp/80', to: '10.0.0.5', from: 'office', enabled: false })).toEqual([])
  })
})

describe('sources', () => {
  const sourcesOf = (from: string[], to = '10.0.0.5') =>
    linesOf({ listen: 'tcp/80', to, from }).filter((line) => /^(restricted|refused|allowed)/.test(line))

  test('are one set for each length, lists unfolded, in the families that the forward takes', () => {
    expect(sourcesOf(['office', '10.0.0.0/8'])).toEqual([
      'restricted { 1:2 }',
      'refused { 1:2 }',
      'allowed4_24 { 1:2 . 198.51.100.0 }',
      'allowed4_32 { 1:2 . 203.0.113.7 }',
      'allowed4_8 { 1:2 . 10.0.0.0 }',
    ])
    expect(sourcesOf(['office'], 'fd00::5')).toContain('allowed6_48 { 1:2 . 2001:db8:7:: }')
  })

  test('of nobody, or of a list that is not there, admit nobody', () => {
    expect(sourcesOf([])).toEqual(['restricted { 1:2 }', 'refused { 1:2 }'])
    expect(sourcesOf(['gone'])).toEqual(['restricted { 1:2 }', 'refused { 1:2 }'])
  })

  test('say each prefix once', () => {
    expect(sourcesOf(['203.0.113.7', 'office']).filter((line) => line.includes('203.0.113.7'))).toHaveLength(
      1,
    )
  })

  test.each([
    ['198.51.100.9', true],
    ['203.0.113.7', true],
    ['203.0.113.8', false],
    ['2001:db8:7:ffff::1', true],
    ['2001:db8:8::1', false],
  ])('admit %s: %s', (text, expected) => {
    const forward = parseForward({ listen: 'tcp/80', to: ['10.0.0.5', 'fd00::5'], from: 'office' })
    expect(admitterOf(forward, known.lists)(must(readAddress(text)))).toBe(expected)
  })
})

describe('options', () => {
  test.each([
    ['auto', []],
    ['preserve', ['chosen { 1:2 }', 'preserved { 1:2 }']],
    ['masquerade', ['chosen { 1:2 }', 'masqueraded { 1:2 }']],
    ['10.0.0.1', ['chosen { 1:2 }', 'sources4 { 1:2 : 10.0.0.1 }']],
  ])('source_nat: %s', (source_nat, lines) => {
    expect(linesOf({ listen: 'tcp/80', to: '10.0.0.5', source_nat }).slice(2)).toEqual(lines)
  })

  test('limits are one set for each distinct value', () => {
    const limits = { new_per_source: '30/s', open_per_source: 200 }
    expect(linesOf({ listen: 'tcp/80', to: '10.0.0.5', limits }).slice(2)).toEqual([
      'guarded { 1:2 }',
      'limited { 1:2 }',
      'rate_30_second { 1:2 }',
      'open_200 { 1:2 }',
    ])
  })

  test('name the sets that have to be made for them', () => {
    const forward = parseForward({
      listen: 'tcp/80',
      to: '10.0.0.5',
      from: ['10.0.0.0/8', '10.1.0.0/16'],
      limits: { open_per_source: 5 },
    })
    expect(neededSets(forward, known)).toEqual(['allowed4_8', 'allowed4_16', 'open_5'])
  })
})

test.each([
  [1, '0:1'],
  [0xffff, '0:ffff'],
  [0x10000, '1:0'],
  [0xffffffff, 'ffff:ffff'],
])('number %d is the class id %s', (number, id) => {
  expect(classid(number)).toBe(id)
  expect(numberOf(id)).toBe(number)
})

describe('a difference', () => {
  const elements = (short: string, number: number) =>
    hold(elementsOf({ number, forward: parseForward(short) }, known))

  test('is what nft would be told: first what goes, then what comes', () => {
    const difference = differenceOf(elements('tcp/80 -> 10.0.0.5', 1), elements('tcp/80 -> 10.0.0.6', 1))
    expect(printDifference(difference)).toBe(
      'delete element inet drawbridge targets4 { 0:1 . tcp . 80 }\n' +
        'add element inet drawbridge targets4 { 0:1 . tcp . 80 : 10.0.0.6 . 80 }\n',
    )
  })

  test('to itself is nothing', () => {
    const held = elements('tcp/80 -> 10.0.0.5', 1)
    expect(isNothing(differenceOf(held, held))).toBe(true)
    expect(isNothing(differenceOf(new Map(), held))).toBe(false)
    expect(isNothing(differenceOf(held, new Map()))).toBe(false)
  })
})

test('names that stand for more than a pool can have make one of the first 256, also when none of those takes connections', () => {
  const names = ['a.example.org', 'b.example.org', 'c.example.org']
  const at = (host: number) =>
    Array.from({ length: 100 }, (_, index) => ({
      address: must(readAddress(`10.0.${host}.${index + 1}`)),
    }))
  const whereabouts = new Map(names.map((name, host) => [name, at(host)]))
  const setsOf = (drained: readonly string[]) => {
    const to = names.map((host) => ({ host, port: 80, drain: drained.includes(host) }))
    const forward = parseForward({ name: 'web', listen: 'tcp/80@203.0.113.5', to })
    const down = new Map([
      [
        'web',
        new Set(
          at(2)
            .map(({ address }) => `${address.text}:80`)
            .slice(0, 56),
        ),
      ],
    ])
    return elementsOf({ number: 1, forward }, { ...known, whereabouts, down }).map(({ set }) => set)
  }
  expect(setsOf([]).filter((set) => set === 'members4')).toHaveLength(256)
  expect(setsOf([]).filter((set) => set.startsWith('pool4_random'))).toHaveLength(1024)
  expect(setsOf(names.slice(0, 2))).toEqual(['openings_at4', 'refusing'])
})

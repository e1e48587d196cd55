/** Whether a rule of another program and a forward want the same packets, and whose turn it is. */
import { expect, test } from 'vitest'
import { parsePrefix } from '../../src/model/address.ts'
import { parseForward } from '../../src/model/forward.ts'
import { allPorts, complement, type Match } from '../../src/model/match.ts'
import { meets, type OthersForward, turnOf } from '../../src/model/others.ts'

const everything: Match = {
  families: [4, 6],
  protocols: ['tcp', 'udp'],
  ports: allPorts,
  addresses: null,
  interfaces: null,
  exact: true,
}
const rule = (own: Partial<OthersForward>): OthersForward => ({
  ...everything,
  to: '10.9.9.9',
  by: null,
  where: { table: 'ip nat', chain: 'PREROUTING', handle: 1, priority: -100 },
  ...own,
})
const at = (...prefixes: string[]) => prefixes.map((text) => parsePrefix('x', text))
const by = (...names: string[]) => ({ names, not: false })
const notBy = (...names: string[]) => ({ names, not: true })

const any = 'tcp/80 -> 10.0.0.5'
const addressed = 'tcp/80@203.0.113.1 -> 10.0.0.5'
const interfaced = 'tcp/80%eth0 -> 10.0.0.5'

test.each<[string, Partial<OthersForward>, boolean]>([
  [any, {}, true],
  [any, { protocols: ['udp'] }, false],
  [any, { families: [6] }, false],
  [any, { ports: [{ first: 79, last: 81 }] }, true],
  [any, { ports: [{ first: 81, last: 90 }] }, false],
  [any, { addresses: at('127.0.0.1') }, false],
  [any, { addresses: at('127.0.0.1', '203.0.113.0/24') }, true],
  [any, { interfaces: notBy('docker0') }, true],
  [addressed, { addresses: at('203.0.113.0/24') }, true],
  [addressed, { addresses: at('198.51.100.0/24') }, false],
  [addressed, { interfaces: by('eth1') }, true],
  [interfaced, { interfaces: by('eth0') }, true],
  [interfaced, { interfaces: by('eth*') }, true],
  [interfaced, { interfaces: by('eth1') }, false],
  [interfaced, { interfaces: notBy('eth0') }, false],
  [interfaced, { interfaces: notBy('docker0') }, true],
  ['icmp@203.0.113.1 -> 10.0.0.5', {}, false],
])('%s and %j: %s', (forward, own, expected) => {
  expect(meets(parseForward(forward), rule(own))).toBe(expected)
})

test('a forward that is switched off wants nothing', () => {
  expect(meets({ ...parseForward(any), enabled: false }, rule({}))).toBe(false)
})

test('lower priorities come first, equal ones as chance has it', () => {
  const turns = [-150, -105, -100].map((priority) => turnOf(rule({ where: { ...rule({}).where, priority } })))
  expect(turns).toEqual(['before', 'either', 'after'])
})

test('all but some ports', () => {
  expect(complement([{ first: 80, last: 80 }])).toEqual([
    { first: 0, last: 79 },
    { first: 81, last: 65535 },
  ])
  expect(complement(allPorts)).toEqual([])
})

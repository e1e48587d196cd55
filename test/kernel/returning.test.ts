/** By which interface answers leave, from the kernel's routes: held against its own look-ups. */
import { afterEach, beforeAll, expect, test } from 'vitest'
import { NETLINK_ROUTE, openNetlink } from '../../src/kernel/netlink.ts'
import { readReturnPaths } from '../../src/kernel/returning.ts'
import { meet } from '../../src/model/exposure/ranges.ts'
import { rangesOfSpans } from '../../src/model/exposure/rules.ts'
import { rangeOfAddress } from '../../src/model/exposure/scene.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

const ip = (...words: string[]) => run('ip', ...words)

beforeAll(() => {
  enterNewNetwork()
  addLinks('eth0', 'eth1')
  ip('address', 'add', '203.0.113.1/24', 'dev', 'eth0')
  ip('address', 'add', '10.0.0.1/24', 'dev', 'eth1')
  ip('route', 'add', 'default', 'via', '203.0.113.2')
})
const undo: (readonly string[])[] = []
afterEach(() => {
  for (const words of undo.splice(0).reverse()) ip(...words)
})

/** Adds a route or a rule until the end of the test. */
function adds(what: string, ...words: string[]): void {
  ip(what, 'add', ...words)
  undo.push([what, 'del', ...words])
}

/** Whether an answer to the address would leave by the interface; null: that cannot be told. */
function leaves(address: string, name: string): boolean | null {
  const family = address.includes(':') ? 6 : 4
  const paths = readReturnPaths(openNetlink(1 << 20, NETLINK_ROUTE), ['eth0', 'eth1'])
  const spans = paths.find((one) => one.family === family && one.interface === name)?.by
  if (!spans) return null
  return meet(rangesOfSpans(spans), rangeOfAddress(address)).length > 0
}

/** By which interface the kernel itself would send. */
function lookUp(address: string): string | undefined {
  try {
    return / dev (\S+)/.exec(ip('-4', 'route', 'get', address))?.[1]
  } catch {
    return undefined
  }
}

test('the longest prefix decides: what is behind the inside does not come back by the outside', () => {
  adds('route', '10.9.0.0/16', 'via', '10.0.0.2')
  adds('route', '10.9.8.0/24', 'via', '203.0.113.3')
  adds('route', 'blackhole', '192.0.2.0/24')
  const outside = ['8.8.8.8', '10.9.8.7', '203.0.113.9', '255.1.1.1', '0.0.0.7']
  const elsewhere = ['10.9.7.7', '10.9.9.0', '10.0.0.9', '192.0.2.7', '203.0.113.1', '127.0.0.1']
  for (const address of outside) expect([address, leaves(address, 'eth0')]).toEqual([address, true])
  for (const address of elsewhere) expect([address, leaves(address, 'eth0')]).toEqual([address, false])
  // The kernel says the same, but looks at no route for addresses that are none of a host.
  for (const address of [...outside.slice(0, 3), ...elsewhere])
    expect([address, lookUp(address) === 'eth0']).toEqual([address, leaves(address, 'eth0')])
})

test('of several routes to one network the one of the lowest metric counts, of several hops each', () => {
  adds('route', 'default', 'via', '10.0.0.2', 'metric', '50')
  adds('route', '198.51.100.0/24', 'nexthop', 'via', '203.0.113.2', 'nexthop', 'via', '10.0.0.2')
  // The default route of metric 0 stays the first.
  expect([leaves('8.8.8.8', 'eth0'), leaves('8.8.8.8', 'eth1')]).toEqual([true, false])
  expect([leaves('198.51.100.7', 'eth0'), leaves('198.51.100.7', 'eth1')]).toEqual([true, true])
})

test('rules of routing: a table of its own, a mark that no packet has, and what cannot be told', () => {
  adds('route', '198.51.100.0/24', 'via', '10.0.0.2', 'table', '52')
  expect(leaves('198.51.100.7', 'eth1')).toBe(false)
  adds('rule', 'priority', '100', 'lookup', '52')
  expect(leaves('198.51.100.7', 'eth1')).toBe(true)
  adds('route', '192.0.2.0/24', 'via', '10.0.0.2', 'table', '53')
  adds('rule', 'priority', '90', 'fwmark', '7', 'lookup', '53')
  expect(leaves('192.0.2.7', 'eth1')).toBe(false)
  adds('rule', 'priority', '80', 'from', '203.0.113.1', 'lookup', '53')
  expect(leaves('192.0.2.7', 'eth1')).toBe(null)
})

test('IPv6 goes back to shorter prefixes, and link-local networks belong to every link', () => {
  ip('address', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad')
  ip('address', 'add', 'fd00::1/64', 'dev', 'eth1', 'nodad')
  adds('route', 'default', 'via', '2001:db8::2')
  expect([leaves('2a00::1', 'eth0'), leaves('2a00::1', 'eth1')]).toEqual([true, false])
  expect([leaves('fd00::7', 'eth0'), leaves('fd00::7', 'eth1')]).toEqual([true, true])
  expect([leaves('fe80::7', 'eth0'), leaves('fe80::7', 'eth1')]).toEqual([true, true])
})

/** What firewalls of the host are asked to admit for a forward: nothing more than it opens of this machine. */
import { expect, test } from 'vitest'
import { allowancesOf } from '../../src/compile/allowances.ts'
import { parsePrefix, printPrefix } from '../../src/model/address.ts'
import { parseForward } from '../../src/model/forward.ts'
import type { List } from '../../src/model/sources.ts'

const told = (forward: object, lists: ReadonlyMap<string, List> = new Map()) =>
  allowancesOf(
    parseForward({ name: 'one', listen: 'tcp/80', to: 'self:80', ...forward }),
    lists,
    undefined,
  ).map(({ protocol, ports: { first, last }, source, to, interface: by }) =>
    [
      `${protocol}/${first}-${last}`,
      source.length === 0 ? `IPv${source.family}` : printPrefix(source),
      to?.text ?? by,
    ]
      .filter((word) => word !== null)
      .join(' '),
  )

test('of anywhere: one for each family, protocol and range of ports', () => {
  expect(told({ listen: 'tcp+udp/80,8000-8010', to: 'self' })).toEqual([
    'tcp/80-80 IPv4',
    'tcp/8000-8010 IPv4',
    'udp/80-80 IPv4',
    'udp/8000-8010 IPv4',
    'tcp/80-80 IPv6',
    'tcp/8000-8010 IPv6',
    'udp/80-80 IPv6',
    'udp/8000-8010 IPv6',
  ])
})

test('at one address: of its family; on one interface: of both', () => {
  expect(told({ listen: 'tcp/80@203.0.113.1' })).toEqual(['tcp/80-80 IPv4 203.0.113.1'])
  expect(told({ listen: 'tcp/80%eth0' })).toEqual(['tcp/80-80 IPv4 eth0', 'tcp/80-80 IPv6 eth0'])
})

test('sources: once each, those of lists among them, and none that lies in another', () => {
  const staff = {
    name: 'staff',
    prefixes: ['198.51.100.0/24', '203.0.113.7'].map((one) => parsePrefix('', one)),
  }
  expect(
    told(
      { from: ['staff', '198.51.100.9', '203.0.113.7', '2001:db8::/32', '2001:db8:7::/48', 'gone'] },
      new Map([['staff', staff]]),
    ),
  ).toEqual(['tcp/80-80 198.51.100.0/24', 'tcp/80-80 203.0.113.7', 'tcp/80-80 2001:db8::/32'])
  expect(told({ from: [] })).toEqual([])
})

test('nothing for what is switched off or sent on', () => {
  expect(told({ enabled: false })).toEqual([])
  expect(told({ to: '10.0.0.5:80' })).toEqual([])
})

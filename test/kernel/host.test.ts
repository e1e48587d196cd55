/** Facts of the machine, as the kernel tells them. */
import { beforeAll, describe, expect, test } from 'vitest'
import { readHost } from '../../src/kernel/host.ts'
import { NETLINK_ROUTE, openNetlink } from '../../src/kernel/netlink.ts'
import { readDefaultInterfaces } from '../../src/kernel/routes.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

beforeAll(() => {
  enterNewNetwork()
  addLinks('wan', 'lan')
  addLinks('vpn', 'dmz')
  run('ip', 'address', 'add', '203.0.113.5/24', 'dev', 'wan')
  run('ip', 'address', 'add', '2001:db8::5/64', 'dev', 'wan', 'nodad')
  run('ip', 'address', 'add', '10.0.0.1/24', 'dev', 'lan')
})

describe('the interfaces of default routes', () => {
  const outside = () => readDefaultInterfaces(openNetlink(1 << 20, NETLINK_ROUTE))

  test('are none while there is none that leads anywhere', () => {
    run('ip', 'route', 'add', 'unreachable', 'default', 'metric', '4000')
    expect(outside()).toEqual([])
    expect(readHost().links).toEqual(['dmz', 'lan', 'vpn', 'wan'])
  })

  test('are those of both families', () => {
    run('ip', 'route', 'add', 'default', 'via', '203.0.113.1')
    expect(outside()).toEqual(['wan'])
    run('ip', '-6', 'route', 'add', 'default', 'dev', 'vpn', 'metric', '50')
    expect(outside()).toEqual(['vpn', 'wan'])
  })

  test('are those of halves of the world and of other tables too, not those of networks', () => {
    run('ip', 'route', 'add', '198.51.100.0/24', 'dev', 'dmz')
    expect(outside()).toEqual(['vpn', 'wan'])
    run('ip', 'route', 'add', '0.0.0.0/1', 'dev', 'lan')
    expect(outside()).toEqual(['lan', 'vpn', 'wan'])
    run('ip', '-6', 'route', 'add', '2000::/3', 'dev', 'dmz', 'table', '7')
    expect(outside()).toEqual(['dmz', 'lan', 'vpn', 'wan'])
  })
})

test('the addresses are those of every interface, in canonical text', () => {
  expect(readHost().addresses).toEqual(
    expect.arrayContaining(['10.0.0.1', '127.0.0.1', '2001:db8::5', '203.0.113.5', '::1']),
  )
})

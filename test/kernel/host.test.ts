/** Facts of the machine, from procfs as the kernel writes it. */
import { beforeAll, describe, expect, test } from 'vitest'
import { readHost } from '../../src/kernel/host.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

beforeAll(() => {
  enterNewNetwork()
  addLinks('wan', 'lan')
  addLinks('vpn', 'dmz')
  run('ip', 'address', 'add', '203.0.113.5/24', 'dev', 'wan')
  run('ip', 'address', 'add', '2001:db8::5/64', 'dev', 'wan', 'nodad')
  run('ip', 'address', 'add', '10.0.0.1/24', 'dev', 'lan')
})

describe('the outside', () => {
  test('is every interface while none has a default route', () => {
    run('ip', 'route', 'add', 'unreachable', 'default', 'metric', '4000')
    expect(readHost().outside).toEqual(['dmz', 'lan', 'vpn', 'wan'])
  })

  test('is where the default route of either family leads', () => {
    run('ip', 'route', 'add', 'default', 'via', '203.0.113.1')
    expect(readHost().outside).toEqual(['wan'])
    run('ip', '-6', 'route', 'add', 'default', 'dev', 'vpn', 'metric', '50')
    expect(readHost().outside).toEqual(['vpn', 'wan'])
  })

  test('is not where half of all addresses lead', () => {
    run('ip', 'route', 'add', '0.0.0.0/1', 'dev', 'lan')
    expect(readHost().outside).toEqual(['vpn', 'wan'])
  })
})

test('the addresses are those of every interface, in canonical text', () => {
  expect(readHost().addresses).toEqual(
    expect.arrayContaining(['10.0.0.1', '127.0.0.1', '2001:db8::5', '203.0.113.5', '::1']),
  )
})

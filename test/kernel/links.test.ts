/** Which interfaces stand on which, and what programs see their packets outside of all rules. */
import { beforeAll, expect, test } from 'vitest'
import { readLinks, readPrograms } from '../../src/kernel/links.ts'
import { NETLINK_ROUTE, openNetlink } from '../../src/kernel/netlink.ts'
import { arrivalsAt, type Link } from '../../src/model/exposure/arrivals.ts'
import { attach } from '../lab/programs.ts'
import { isRoot } from '../lab/root.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

beforeAll(() => {
  enterNewNetwork()
  addLinks('eth0', 'far0')
  addLinks('eth1', 'far1')
})

const routes = () => openNetlink(1 << 20, NETLINK_ROUTE)

const programs = () => {
  const netlink = routes()
  return readPrograms(netlink, readLinks(netlink)).map(({ device, words }) => `${device}: ${words}`)
}

test('a bridge of two ports, a VLAN on it, and a cable that stands on nothing', () => {
  run('ip', 'link', 'add', 'br0', 'type', 'bridge')
  for (const port of ['eth0', 'eth1']) run('ip', 'link', 'set', port, 'master', 'br0')
  const links = readLinks(routes())
  const arrivals = (name: string, all: readonly Link[] = links) =>
    arrivalsAt(all, name)
      .map(({ devices }) =>
        devices
          .map((one) => `${one.name}${one.isPort ? ' (port)' : ''}${one.isTagged ? ' (tagged)' : ''}`)
          .join(' > '),
      )
      .sort()
  expect(arrivals('eth0')).toEqual(['eth0'])
  expect(arrivals('br0')).toEqual(['eth0 (port) > br0', 'eth1 (port) > br0'])
  expect(arrivals('gone0')).toEqual(['gone0'])
  // Not every kernel can make one.
  const vlan = { name: 'br0.7', type: 1, kind: 'vlan', below: 'br0', master: null }
  expect(arrivals('br0.7', [...links, vlan])).toEqual([
    'eth0 (port) > br0 (tagged) > br0.7',
    'eth1 (port) > br0 (tagged) > br0.7',
  ])
})

test('filters of traffic control, by what kind they are', () => {
  expect(programs()).toEqual([])
  run('tc', 'qdisc', 'add', 'dev', 'eth0', 'clsact')
  expect(programs()).toEqual([])
  const match = ['protocol', 'ip', 'u32', 'match', 'u32', '0', '0', 'flowid', '1:1']
  run('tc', 'filter', 'add', 'dev', 'eth0', 'ingress', ...match)
  expect(programs()).toEqual(['eth0: tc filters (u32) at ingress'])
  run('tc', 'filter', 'add', 'dev', 'eth0', 'egress', ...match)
  expect(programs()).toEqual(['eth0: tc filters (u32) at ingress', 'eth0: tc filters (u32) at egress'])
  run('tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact')
  expect(programs()).toEqual([])
})

test.runIf(isRoot)('programs of eBPF (wants root of the machine): XDP, and tcx on both ways', () => {
  const index = readLinks(routes()).find(({ name }) => name === 'far1')?.index ?? 0
  const detach = (['xdp', 'ingress', 'egress'] as const).map((kind) => attach(kind, index))
  expect(programs()).toEqual([
    'far1: an XDP program',
    'far1: an eBPF program (tcx) at ingress',
    'far1: an eBPF program (tcx) at egress',
  ])
  for (const one of detach) one()
  expect(programs()).toEqual([])
})

/** The forwarding switches: turned on once, remembered, and put back as they were. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openForwarding } from '../../src/kernel/forwarding.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

const forward4 = '/proc/sys/net/ipv4/ip_forward'
const forward6 = '/proc/sys/net/ipv6/conf/all/forwarding'
const routers = '/proc/sys/net/ipv6/conf/wan/accept_ra'
const routersToCome = '/proc/sys/net/ipv6/conf/default/accept_ra'

const read = (path: string) => readFileSync(path, 'utf8').trim()
const directory = mkdtempSync(join(tmpdir(), 'drawbridge-forwarding-'))

beforeAll(() => {
  enterNewNetwork()
  addLinks('wan', 'lan')
})

beforeEach(() => {
  rmSync(join(directory, 'former-sysctl.json'), { force: true })
  for (const path of [forward4, forward6]) writeFileSync(path, '0')
  for (const path of [routers, routersToCome]) writeFileSync(path, '1')
})

afterAll(() => rmSync(directory, { recursive: true }))

test('on, and back as it was', () => {
  const forwarding = openForwarding(directory)
  forwarding.turnOn([4])
  expect([read(forward4), read(forward6), forwarding.switchedOn()]).toEqual(['1', '0', [4]])
  forwarding.turnOn([4, 6])
  expect([read(forward6), read(routers), forwarding.switchedOn()]).toEqual(['1', '2', [4, 6]])
  forwarding.restore()
  expect([read(forward4), read(forward6), read(routers)]).toEqual(['0', '0', '1'])
  expect(forwarding.switchedOn()).toEqual([])
})

test('what was on before us stays on after us', () => {
  writeFileSync(forward4, '1')
  const forwarding = openForwarding(directory)
  forwarding.turnOn([4, 6])
  expect(forwarding.switchedOn()).toEqual([6])
  forwarding.restore()
  expect([read(forward4), read(forward6)]).toEqual(['1', '0'])
})

test('what is to be put back is on the disk before anything is turned', () => {
  openForwarding(directory).prepare([4])
  expect(read(forward4)).toBe('0')
  expect(openForwarding(directory).switchedOn()).toEqual([4])
})

test('one started anew knows the former values, and does not take ours for them', () => {
  openForwarding(directory).turnOn([4])
  openForwarding(directory).turnOn([4, 6])
  openForwarding(directory).restore()
  expect([read(forward4), read(forward6)]).toEqual(['0', '0'])
  expect(existsSync(join(directory, 'former-sysctl.json'))).toBe(false)
})

test('an interface that has gone since is no error', () => {
  addLinks('gone', 'peer')
  const forwarding = openForwarding(directory)
  forwarding.turnOn([6])
  run('ip', 'link', 'delete', 'gone')
  forwarding.restore()
  expect(read(forward6)).toBe('0')
})

test('an interface that comes later takes router advertisements as before, whatever it begins with', () => {
  const forwarding = openForwarding(directory)
  forwarding.turnOn([6])
  addLinks('late', 'later')
  expect(['late', 'later'].map((name) => read(routers.replace('wan', name)))).toEqual(['2', '2'])
  const late = routers.replace('wan', 'late')
  writeFileSync(late, '1')
  openForwarding(directory).hearRouters()
  expect(read(late)).toBe('2')
  forwarding.restore()
  expect([read(late), read(routersToCome)]).toEqual(['1', '1'])
  run('ip', 'link', 'delete', 'late')
})

test('where forwarding was on before us router advertisements are none of ours', () => {
  writeFileSync(forward6, '1')
  writeFileSync(routers, '1')
  const forwarding = openForwarding(directory)
  forwarding.turnOn([6])
  forwarding.hearRouters()
  expect([read(routers), read(routersToCome)]).toEqual(['1', '1'])
})

/** Names of containers: where they are, and why one stands for no address. */
import { describe, expect, test } from 'vitest'
import { describeBridge, isOn } from '../../src/model/bridge.ts'
import {
  type Container,
  type Containers,
  containerAt,
  containerBehind,
  describeMissing,
  missingOf,
  whereaboutsOf,
} from '../../src/model/container.ts'
import { must } from './problems.ts'

const container = (name: string, own: Partial<Container> = {}): Container => ({
  name,
  running: true,
  onHost: false,
  addresses: [],
  everyAddress: [],
  exposed: [],
  published: [],
  ...own,
})
const four = { family: 4, text: '172.17.0.2' } as const
const six = { family: 6, text: 'fd00:d::2' } as const
const followed = (...containers: readonly Container[]): Containers => ({
  docker: 'followed',
  trouble: '',
  containers,
})

test('each stands for its addresses under the name that a target gives it, and for none without one', () => {
  const found = whereaboutsOf([container('web', { addresses: [four, six] }), container('db')])
  expect([...found]).toEqual([
    ['container:web', [{ address: four }, { address: six }]],
    ['container:db', []],
  ])
})

describe('a name that stands for no address', () => {
  const known = followed(
    container('shop-web-1'),
    container('shop-db-1'),
    container('proxy', { onHost: true }),
    container('old', { running: false }),
    container('web', { addresses: [four] }),
  )
  test.for([
    ['web', undefined, ''],
    ['shop-web', { kind: 'unknown', nearest: ['shop-web-1', 'web'] }, 'there is no container shop-web;'],
    ['prxy', { kind: 'unknown', nearest: ['proxy'] }, 'there is no container prxy;'],
    ['something-else', { kind: 'unknown', nearest: [] }, 'there is no container something-else;'],
    ['shop-db-1', { kind: 'unreached' }, 'container shop-db-1 is in no network that this machine reaches;'],
    ['proxy', { kind: 'on-host' }, 'its service is opened by self:PORT'],
    ['old', { kind: 'stopped' }, 'container old does not run;'],
  ] as const)('%s: %j', ([name, missing, words]) => {
    expect(missingOf(known, name)).toEqual(missing)
    if (missing) expect(describeMissing(name, must(missingOf(known, name)))).toContain(words)
  })

  test('one that is not known while Docker does not answer; where it is known is still true', () => {
    const silent: Containers = { ...known, docker: 'silent', trouble: 'it does not run' }
    expect(missingOf(silent, 'web')).toBe(undefined)
    expect(missingOf(silent, 'prxy')).toEqual({ kind: 'unasked' })
    expect(describeMissing('prxy', { kind: 'unasked' })).toMatch(/as Docker does not answer/)
  })

  test('any, where no Docker is', () => {
    const missing = must(missingOf({ ...followed(), docker: 'none' }, 'web'))
    expect(describeMissing('web', missing)).toMatch(
      /^container web cannot be looked up, as Docker does not run/,
    )
  })
})

test('whose an address is, in whatever network, and for whom Docker holds a socket', () => {
  const web = container('web', {
    everyAddress: [four, six],
    published: [{ protocol: 'tcp', port: 8080, address: '127.0.0.1' }],
  })
  expect(containerAt([container('db'), web], 'fd00:d::2')).toBe(web)
  expect(containerAt([web], '172.17.0.3')).toBe(undefined)
  expect(containerBehind([web], { protocol: 'tcp', port: 8080, address: '127.0.0.1' })).toBe(web)
  // Another program may hold the same port of another address.
  expect(containerBehind([web], { protocol: 'tcp', port: 8080, address: '0.0.0.0' })).toBe(undefined)
})

test('a bridge: who is on it, and what is to be known of it', () => {
  const bridge = { name: 'docker0', networks: [{ family: 4, text: '172.17.0.0', length: 16 } as const] }
  expect(isOn(bridge, four)).toBe(true)
  expect(isOn(bridge, { family: 4, text: '172.18.0.2' })).toBe(false)
  expect(isOn(bridge, six)).toBe(false)
  expect(describeBridge(bridge)).toMatch(/^who is on the bridge docker0 .*hairpin on\)$/)
})

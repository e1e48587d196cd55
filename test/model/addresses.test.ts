/** Addresses and prefixes: one text per value, and no other text gets through. */
import { describe, expect, test } from 'vitest'
import {
  networkOf,
  parseAddress,
  parsePrefix,
  printPrefix,
  readAddress,
  whyUnusableAsListen,
  whyUnusableAsTarget,
  withPort,
} from '../../src/model/address.ts'
import { expectRefusal, must } from './problems.ts'

describe('an address', () => {
  test.each([
    ['10.0.0.5', 4, '10.0.0.5'],
    ['255.255.255.255', 4, '255.255.255.255'],
    ['FD00::5', 6, 'fd00::5'],
    ['fd00:0:0:0:0:0:0:5', 6, 'fd00::5'],
    ['2001:db8::0001', 6, '2001:db8::1'],
    ['2001:0:0:1:0:0:0:1', 6, '2001:0:0:1::1'],
    ['1:0:2:3:4:5:6:7', 6, '1:0:2:3:4:5:6:7'],
    ['64:ff9b::192.0.2.1', 6, '64:ff9b::c000:201'],
    ['::', 6, '::'],
  ] as const)('%s has one text', (text, family, canonical) => {
    expect(parseAddress('to', text)).toEqual({ family, text: canonical })
    expect(readAddress(canonical)).toEqual({ family, text: canonical })
  })

  test.each([
    '',
    ' 10.0.0.5',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.5',
    '0x0a.0.0.5',
    '167772165',
    '10.0.0.5.6',
    '::ffff:10.0.0.5',
    'fe80::1%eth0',
    '1::2::3',
    'fd00::12345',
    ':',
    'localhost',
    '１０.0.0.5',
  ])('%j is none', (text) => {
    expectRefusal('to', [text, 'bad-address'], () => parseAddress('to', text))
  })
})

describe('a prefix', () => {
  test.each([
    ['198.51.100.0/24', '198.51.100.0/24', 24],
    ['203.0.113.7', '203.0.113.7', 32],
    ['203.0.113.7/32', '203.0.113.7', 32],
    ['0.0.0.0/0', '0.0.0.0/0', 0],
    ['2001:DB8:7::/48', '2001:db8:7::/48', 48],
    ['fd00::5/128', 'fd00::5', 128],
    ['::/0', '::/0', 0],
  ] as const)('%s is kept as %s', (text, canonical, length) => {
    const prefix = parsePrefix('from', text)
    expect(prefix.length).toBe(length)
    expect(printPrefix(prefix)).toBe(canonical)
    expect(parsePrefix('from', canonical)).toEqual(prefix)
  })

  test.each([
    ['198.51.100.1/24', 'bad-prefix', '198.51.100.0/24', '198.51.100.1'],
    ['2001:db8::1/64', 'bad-prefix', '2001:db8::/64'],
    ['10.0.0.0/33', 'bad-prefix', '0 to 32'],
    ['fd00::/129', 'bad-prefix', '0 to 128'],
    ['10.0.0.0/', 'bad-prefix'],
    ['10.0.0.0/-1', 'bad-prefix'],
    ['10.0.0.0/8/8', 'bad-prefix'],
    ['10.0.0.0/255.0.0.0', 'bad-prefix'],
    ['/24', 'bad-prefix'],
    ['office', 'bad-prefix'],
  ] as const)('%s is refused', (...row) => {
    expectRefusal('from', row, () => parsePrefix('from', row[0]))
  })

  test('its network is that of every address in it', () => {
    expect(networkOf({ family: 4, text: '198.51.100.200' }, 26)).toBe('198.51.100.192')
    expect(networkOf({ family: 4, text: '198.51.100.200' }, 0)).toBe('0.0.0.0')
    expect(networkOf({ family: 6, text: '2001:db8:7:ffff::1' }, 50)).toBe('2001:db8:7:c000::')
  })
})

describe('what an address is good for', () => {
  test.each([
    ['127.0.0.1', 'loopback', 'loopback'],
    ['::1', 'loopback', 'loopback'],
    ['0.0.0.0', 'unspecified', 'leave the address out'],
    ['::', 'unspecified', 'leave the address out'],
    ['224.0.0.1', 'one host', 'one host'],
    ['255.255.255.255', 'one host', 'one host'],
    ['ff02::1', 'one host', 'one host'],
    ['169.254.0.1', 'link', '%interface'],
    ['fe80::1', 'link', '%interface'],
  ])('%s is neither target nor listen address', (text, target, listen) => {
    const address = must(readAddress(text))
    expect(whyUnusableAsTarget(address)).toContain(target)
    expect(whyUnusableAsListen(address)).toContain(listen)
  })

  test.each(['10.0.0.5', '203.0.113.5', '100.64.0.1', 'fd00::5', '2001:db8::5', '2606:4700::1'])(
    '%s is both',
    (text) => {
      const address = must(readAddress(text))
      expect(whyUnusableAsTarget(address)).toBeUndefined()
      expect(whyUnusableAsListen(address)).toBeUndefined()
    },
  )

  test('with a port, IPv6 stands in brackets', () => {
    expect(withPort({ family: 4, text: '10.0.0.5' }, '80')).toBe('10.0.0.5:80')
    expect(withPort({ family: 6, text: 'fd00::5' }, '80')).toBe('[fd00::5]:80')
  })
})

/** One opening, one destination: which forwards cannot stand side by side, and which only look so. */
import { describe, expect, test } from 'vitest'
import { parseForward } from '../../src/model/forward.ts'
import { Openings } from '../../src/model/openings.ts'
import { noChange, Register } from '../../src/model/register.ts'
import { nowhere } from './arbitrary.ts'
import { expectClean, problemOf } from './problems.ts'

const to4 = '10.0.0.5'
const to6 = 'fd00::5'
const both = [to4, to6]

function takeBoth(first: object, second: object): void {
  const register = new Register()
  register.apply({ ...noChange, put: [parseForward({ name: 'first', ...first })] }, nowhere)
  register.apply({ ...noChange, put: [parseForward({ name: 'second', ...second })] }, nowhere)
}

describe('these overlap', () => {
  test.each([
    [
      'the same opening',
      { listen: 'tcp/8080', to: to4 },
      { listen: 'tcp/8080', to: '10.0.0.6' },
      'tcp port 8080 of IPv4',
    ],
    [
      'a range that another cuts',
      { listen: 'tcp/8000-8100', to: to4 },
      { listen: 'tcp/8090-8200', to: to4 },
      'port 8090',
    ],
    [
      'a port inside a range',
      { listen: 'tcp/8000-8100', to: to4 },
      { listen: 'tcp/80,8100', to: to4 },
      'port 8100',
    ],
    [
      'any address, one address',
      { listen: 'tcp/8080', to: to4 },
      { listen: 'tcp/8080@203.0.113.5', to: to4 },
      '203.0.113.5',
    ],
    [
      'one address, any address',
      { listen: 'tcp/8080@203.0.113.5', to: to4 },
      { listen: 'tcp/8080', to: to4 },
      '203.0.113.5',
    ],
    [
      'an interface, one address',
      { listen: 'tcp/8080%eth0', to: to4 },
      { listen: 'tcp/8080@203.0.113.5', to: to4 },
      '203.0.113.5',
    ],
    [
      'an interface, any address',
      { listen: 'tcp/8080%eth0', to: to4 },
      { listen: 'tcp/8080', to: to4 },
      'port 8080',
    ],
    [
      'both protocols, one of them',
      { listen: 'tcp+udp/53', to: to4 },
      { listen: 'udp/53', to: to4 },
      'udp port 53',
    ],
    ['both families, one of them', { listen: 'tcp/8080', to: both }, { listen: 'tcp/8080', to: to6 }, 'IPv6'],
    [
      'ping of one address',
      { listen: 'icmp@203.0.113.5', to: to4 },
      { listen: 'icmp@203.0.113.5', to: to4 },
      'ping of 203.0.113.5',
    ],
    [
      'one that is switched off',
      { listen: 'tcp/8080', to: to4, enabled: false },
      { listen: 'tcp/8080', to: to4 },
      'port 8080',
    ],
  ])('%s', (_, first, second, words) => {
    const problem = problemOf(() => takeBoth(first, second))
    expect(problem).toMatchObject({ code: 'listen-taken', status: 409 })
    expect(problem.message).toContain(`listen: ${second.listen}`)
    expect(problem.message).toContain('"first"')
    expect(problem.message).toContain(words)
    expect(problem.remedy).toContain('drawbridge close first')
    expectClean(problem)
  })
})

describe('these do not', () => {
  test.each([
    ['IPv4 only, IPv6 only', { listen: 'tcp/8080', to: to4 }, { listen: 'tcp/8080', to: to6 }],
    ['two protocols', { listen: 'tcp/53', to: to4 }, { listen: 'udp/53', to: to4 }],
    ['ranges side by side', { listen: 'tcp/8000-8100', to: to4 }, { listen: 'tcp/8101-8200', to: to4 }],
    ['two addresses', { listen: 'tcp/80@203.0.113.5', to: to4 }, { listen: 'tcp/80@203.0.113.6', to: to4 }],
    ['two interfaces', { listen: 'tcp/8080%eth0', to: to4 }, { listen: 'tcp/8080%eth1', to: to4 }],
    [
      'an address of the other family',
      { listen: 'tcp/8080', to: to6 },
      { listen: 'tcp/8080@203.0.113.5', to: to4 },
    ],
    ['ping and ports', { listen: 'icmp@203.0.113.5', to: to4 }, { listen: 'tcp/80@203.0.113.5', to: to4 }],
    [
      'ping of two addresses',
      { listen: 'icmp@203.0.113.5', to: to4 },
      { listen: 'icmp@203.0.113.6', to: to4 },
    ],
  ])('%s', (_, first, second) => {
    expect(() => takeBoth(first, second)).not.toThrow()
  })
})

describe('the index of openings', () => {
  const a = parseForward({ name: 'a', listen: 'tcp/8000-8001@203.0.113.5', to: to4 })
  const b = parseForward({ name: 'b', listen: 'tcp/8000', to: to6 })

  test('finds who takes a packet', () => {
    const openings = new Openings()
    openings.add(a)
    openings.add(b)
    const at = (text: string, port: number) =>
      openings.at({ family: text.includes(':') ? 6 : 4, text }, 'tcp', port)?.name
    expect(at('203.0.113.5', 8001)).toBe('a')
    expect(at('203.0.113.6', 8001)).toBeUndefined()
    expect(at('2001:db8::5', 8000)).toBe('b')
    expect(openings.holds({ family: 4, text: '203.0.113.5' })).toBe(true)
    expect(openings.holderOf(parseForward({ listen: 'tcp/8001', to: to4 }))?.name).toBe('a')
  })

  test('holds nothing of what it refused, and nothing of what was removed', () => {
    const openings = new Openings()
    openings.add(a)
    const wide = parseForward({ name: 'wide', listen: 'tcp/7999-8002', to: to4 })
    expect(() => openings.add(wide)).toThrow(/8000/)
    expect(openings.at({ family: 4, text: '203.0.113.5' }, 'tcp', 7999)).toBeUndefined()
    openings.remove(a)
    expect(openings.holds({ family: 4, text: '203.0.113.5' })).toBe(false)
    openings.add(wide)
    expect(openings.at({ family: 4, text: '203.0.113.5' }, 'tcp', 8000)).toBe(wide)
  })

  test('a range of every port is found as fast as one port', () => {
    const openings = new Openings()
    openings.add(parseForward({ name: 'all', listen: 'tcp/1-65535', to: to4 }))
    expect(openings.holderOf(parseForward({ listen: 'tcp/65535', to: to4 }))?.name).toBe('all')
  })
})

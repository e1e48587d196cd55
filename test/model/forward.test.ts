/** A forward as people write it, key by key; every wrong one is told what to write instead. */
import { describe, expect, test } from 'vitest'
import { describeForward } from '../../src/model/describing.ts'
import { parseForward, printForward } from '../../src/model/forward.ts'
import { expectClean, expectRefusal, problemOf } from './problems.ts'

const web = { name: 'web', listen: 'tcp/8443', to: '10.0.0.5:443' }

const forwardWith = (keys: object) => parseForward({ ...web, ...keys })

describe('what is left out', () => {
  test('has a default, and is not printed', () => {
    expect(parseForward(web)).toMatchObject({
      sources: 'anywhere',
      sourceNat: { kind: 'auto' },
      limits: { newPerSource: null, openPerSource: null },
      onChange: 'drain',
      expires: null,
      note: '',
      enabled: true,
    })
    expect(printForward(parseForward(web))).toEqual(web)
  })

  test.each([
    ['tcp/8443 -> 10.0.0.5:443', 'tcp-8443'],
    ['tcp+udp/53@203.0.113.5->10.0.0.5', 'tcp-udp-53-203.0.113.5'],
    ['tcp/80,443@2001:db8::5 -> fd00::5', 'tcp-80-443-2001-db8-5'],
    ['udp/5000%my_if -> 10.0.0.5', 'udp-5000-my-if'],
    ['icmp@203.0.113.5 -> 10.0.0.5', 'icmp-203.0.113.5'],
  ])('the name comes from the opening: %s', (short, name) => {
    expect(parseForward(short).name).toBe(name)
  })

  test('a name made of many ports is still a name', () => {
    const ports = Array.from({ length: 60 }, (_, index) => 2000 + index * 2).join(',')
    const forward = parseForward(`tcp/${ports} -> 10.0.0.5`)
    expect(parseForward(printForward(forward))).toEqual(forward)
  })
})

describe('targets', () => {
  test('two families make a dual-stack forward, IPv4 first', () => {
    const forward = parseForward('tcp/8443 -> [fd00::5]:443, 10.0.0.5:443')
    expect(printForward(forward).to).toEqual(['10.0.0.5:443', '[fd00::5]:443'])
  })

  test.each([
    [{ host: '10.0.0.5', port: 443 }, '10.0.0.5:443'],
    [{ host: '10.0.0.5', port: '443' }, '10.0.0.5:443'],
    [{ host: '10.0.0.5' }, '10.0.0.5:8443'],
    [{ host: 'fd00::5', port: 443 }, '[fd00::5]:443'],
    [{ host: '[fd00::5]', port: 443 }, '[fd00::5]:443'],
  ])('%j is %s', (to, printed) => {
    expect(printForward(forwardWith({ to })).to).toBe(printed)
  })

  test('in a list, the one that is wrong is named by its place', () => {
    expect(problemOf(() => forwardWith({ to: ['10.0.0.5', 'd b'] })).message).toContain('to[1]: "d b"')
  })

  test.each([
    [[], 'bad-target'],
    [5, 'bad-value'],
    [null, 'bad-value'],
    [[['10.0.0.5']], 'bad-value'],
    [{ host: 5 }, 'bad-value'],
    [{ host: '10.0.0.5', port: 0 }, 'bad-ports'],
    [{ host: '10.0.0.5', port: 80.5 }, 'bad-ports'],
    [{ host: '10.0.0.5', port: -80 }, 'bad-ports'],
    [{ host: '10.0.0.5:80', port: 80 }, 'bad-target'],
    [{ port: 80 }, 'missing-value'],
  ])('%j is refused', (to, code) => {
    const problem = problemOf(() => forwardWith({ to }))
    expect(problem.code).toBe(code)
    expect(problem.message).toMatch(/^to/)
    expectClean(problem)
  })
})

describe('sources', () => {
  test.each([
    ['anywhere', undefined],
    [[], []],
    ['office', ['office']],
    [' office , 203.0.113.7 ', ['office', '203.0.113.7']],
    [
      ['203.0.113.7', '203.0.113.7/32', 'office', 'office'],
      ['203.0.113.7', 'office'],
    ],
    [['fd00::/8', 'FD00::/8'], ['fd00::/8']],
    [['0.0.0.0/0'], ['0.0.0.0/0']],
  ])('%j', (from, printed) => {
    const forward = forwardWith({ from })
    expect(printForward(forward).from).toEqual(printed)
    expect(parseForward(printForward(forward))).toEqual(forward)
  })

  test('nobody is not anybody', () => {
    expect(describeForward(forwardWith({ from: [] }))).toContain('from nobody')
    expect(describeForward(forwardWith({}))).toContain('from anywhere')
  })

  test.each([
    ['', 'bad-prefix'],
    ['198.51.100.1/24', 'bad-prefix', '198.51.100.0/24'],
    ['-office', 'bad-prefix'],
    ['1office', 'bad-prefix'],
    ['db.example.com/24', 'bad-prefix'],
    ['!10.0.0.1', 'bad-prefix'],
  ] as const)('%j is refused', (...row) => {
    expectRefusal('from', row, () => forwardWith({ from: [row[0]] }))
  })

  test('in a list, the one that is wrong is named by its place', () => {
    expect(problemOf(() => forwardWith({ from: ['office', '10.0.0.300'] })).message).toContain(
      'from[1]: "10.0.0.300"',
    )
  })
})

describe('the source address', () => {
  test.each(['auto', 'preserve', 'masquerade', '10.0.0.1'])('%s', (source_nat) => {
    expect(printForward(forwardWith({ source_nat })).source_nat ?? 'auto').toBe(source_nat)
  })

  test.each([
    ['none', 'bad-source-nat'],
    ['Auto', 'bad-source-nat'],
    ['fd00::1', 'bad-source-nat', 'no IPv6 target'],
  ] as const)('%s is refused', (...row) => {
    expectRefusal('source_nat', row, () => forwardWith({ source_nat: row[0] }))
  })
})

describe('limits', () => {
  test.each([
    ['30/s', '30/s'],
    ['100/m', '100/m'],
    ['1000/h', '1000/h'],
    ['5/second', '5/s'],
    [' 9999999/minute ', '9999999/m'],
  ])('%j new per source', (written, printed) => {
    expect(printForward(forwardWith({ limits: { new_per_source: written } })).limits).toEqual({
      new_per_source: printed,
    })
  })

  test.each(['', '0/s', '30', '30/d', '-1/s', '1.5/s', '30 /s', '10000000/s'])(
    '%j new per source is refused',
    (rate) => {
      expectRefusal('limits.new_per_source', [rate, 'bad-limit'], () =>
        forwardWith({ limits: { new_per_source: rate } }),
      )
    },
  )

  test.each([1, 200, '200', 1_000_000])('%j open per source', (open) => {
    expect(printForward(forwardWith({ limits: { open_per_source: open } })).limits).toEqual({
      open_per_source: Number(open),
    })
  })

  test.each([0, -1, 1.5, 1_000_001, 'many', '1e3', ''])('%j open per source is refused', (open) => {
    const problem = problemOf(() => forwardWith({ limits: { open_per_source: open } }))
    expect(problem).toMatchObject({ code: 'bad-limit' })
    expect(problem.message).toContain('limits.open_per_source')
    expect(problem.remedy).toContain('1000000')
  })
})

describe('names', () => {
  test.each(['a', 'web-1', 'A.b_c-9', 'toString', 'constructor', 'x'.repeat(63)])('%s', (name) => {
    expect(forwardWith({ name }).name).toBe(name)
  })

  test.each(['', '1web', '-web', '.', 'web 1', 'wéb', 'web/1', 'x'.repeat(64), '__proto__'])(
    '%j is refused',
    (name) => {
      expectRefusal('name', [name, 'bad-name'], () => forwardWith({ name }))
    },
  )
})

describe('notes', () => {
  test.each(['', 'for the night shift', 'Zoë’s "lab" — ; drop $(x)', '日本語', '🙂', 'n'.repeat(200)])(
    '%j',
    (note) => {
      expect(printForward(forwardWith({ note })).note ?? '').toBe(note)
    },
  )

  test.each(['a\nb', 'a\tb', 'a\u0000', 'a\u001b[2J', '\u2028', '\u202e', '\ud800', 'n'.repeat(201)])(
    '%j is refused',
    (note) => {
      const problem = problemOf(() => forwardWith({ note }))
      expect(problem.code).toBe('bad-text')
      expect(problem.message).toMatch(/^note: /)
      expectClean(problem)
    },
  )
})

describe('times', () => {
  test.each([
    ['2027-01-31T00:00:00Z', '2027-01-31T00:00:00Z'],
    ['2027-01-31T00:00Z', '2027-01-31T00:00:00Z'],
    ['2027-01-31T02:00:00.75+02:00', '2027-01-31T00:00:00Z'],
    ['2028-02-29T23:00:00-01:00', '2028-03-01T00:00:00Z'],
    [new Date('2027-01-31T00:00:00Z'), '2027-01-31T00:00:00Z'],
  ])('%j', (expires, utc) => {
    expect(forwardWith({ expires }).expires).toBe(utc)
  })

  test.each([
    '',
    'tomorrow',
    '2027-01-31',
    '2027-01-31T00:00:00',
    '2027-13-01T00:00:00Z',
    '2027-01-31T25:00:00Z',
    '2027-01-31 00:00:00Z',
    '+002027-01-31T00:00:00Z',
  ])('%j is refused', (expires) => {
    expectRefusal('expires', [expires, 'bad-time'], () => forwardWith({ expires }))
  })

  test('a day that the month does not have is refused, not moved into the next month', () => {
    expectRefusal('expires', ['2027-02-31T00:00:00Z', 'bad-time'], () =>
      forwardWith({ expires: '2027-02-31T00:00:00Z' }),
    )
  })

  test.each(['9999-12-31T23:59:59-23:59', '0000-01-01T00:00:00+23:59'])(
    '%s can be read again once kept',
    (expires) => {
      let kept: unknown
      try {
        kept = printForward(forwardWith({ expires }))
      } catch {
        return // refusing it is as good
      }
      expect(() => parseForward(kept)).not.toThrow()
    },
  )
})

test('the sentence of a forward says all that is true of it', () => {
  const forward = parseForward({
    listen: 'udp/20000-20001%eth0',
    to: ['10.0.0.9:10000', '[fd00::9]:=53'],
    from: ['office', '203.0.113.0/24'],
    source_nat: 'masquerade',
    limits: { new_per_source: '30/s', open_per_source: 200 },
    expires: '2027-01-31T00:00:00Z',
    enabled: false,
  })
  expect(describeForward(forward)).toBe(
    'udp/20000-20001 on interface eth0 -> 10.0.0.9:10000-10001 and [fd00::9]:=53 (port by port; all to one port), ' +
      "only from office, 203.0.113.0/24, client address replaced by the gateway's, at most 30/s new connections per " +
      'source, at most 200 open connections per source, until 2027-01-31T00:00:00Z, switched off',
  )
})

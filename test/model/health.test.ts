/** `health:` as it is written, kept and told. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAddress } from '../../src/model/address.ts'
import { whyUncheckable } from '../../src/model/check.ts'
import { alive, certificateWarning, dead, describeOutcome } from '../../src/model/condition.ts'
import { readDocument } from '../../src/model/document.ts'
import {
  describeHealth,
  type HealthDocument,
  healthDocument,
  parseHealth,
  printHealth,
  printSpan,
} from '../../src/model/health.ts'
import { holds, texts } from './arbitrary.ts'
import { expectClean, must, problemOf } from './problems.ts'

const parse = (written: unknown) => parseHealth('health', readDocument(healthDocument, 'health', written))

describe('what is written', () => {
  test('as in the manual', () => {
    expect(parse({ check: 'tcp', every: '5s', timeout: '1s', fall: 3, rise: 2 })).toEqual({
      check: { kind: 'tcp' },
      port: null,
      every: 5000,
      timeout: 1000,
      fall: 3,
      rise: 2,
      slowStart: null,
    })
  })

  test('a check alone has the usual rhythm', () => {
    expect(parse('redis')).toEqual(parse({ check: 'redis', every: '5s', timeout: '1s', fall: 3, rise: 2 }))
  })

  test('a check of HTTP says what it wants to hear', () => {
    const written = {
      check: 'http',
      path: '/healthz',
      status: '200,204',
      body: 'ok',
      host: 'app.example.org',
    }
    expect(parse(written).check).toEqual({
      kind: 'http',
      path: '/healthz',
      status: [
        { first: 200, last: 200 },
        { first: 204, last: 204 },
      ],
      body: 'ok',
      host: 'app.example.org',
    })
    expect(parse({ check: 'http', status: 200 }).check).toMatchObject({ status: [{ first: 200, last: 200 }] })
    expect(parse('http').check).toMatchObject({
      path: '/',
      status: [{ first: 200, last: 399 }],
      body: '',
      host: '',
    })
  })

  test('a check often has a timeout that fits', () => {
    expect(parse({ check: 'tcp', every: '500ms' }).timeout).toBe(250)
    expect(parse({ check: 'tcp', every: '1m' }).timeout).toBe(1000)
  })
})

describe('what is refused', () => {
  const rows: readonly (readonly [written: unknown, code: string, ...words: string[]])[] = [
    ['tpc', 'bad-value', 'health', 'tpc', 'one of tcp, http'],
    [{ check: 'ldap' }, 'bad-value', 'health.check', 'ldap'],
    [{ every: '5s' }, 'missing-value', 'health.check'],
    [{ check: 'tcp', intervall: '5s' }, 'unknown-key', 'health.intervall'],
    [{ check: 'tcp', path: '/' }, 'health-key', 'health.path', 'tcp'],
    [{ check: 'http', answer: 'x' }, 'health-key', 'health.answer', 'http'],
    [{ check: 'icmp', port: 80 }, 'health-key', 'health.port', 'icmp'],
    [{ check: 'dns' }, 'health-answer', 'health.name'],
    [{ check: 'dns', name: 'a.example' }, 'health-answer', 'health.answer'],
    [{ check: 'dns', name: 'a..example', answer: '10.0.0.7' }, 'bad-value', 'health.name'],
    [{ check: 'dns', name: 'a.example', answer: 'yes' }, 'bad-value', 'health.answer'],
    [{ check: 'udp' }, 'health-answer', 'health.send'],
    [{ check: 'udp', send: 'ping' }, 'health-answer', 'health.answer'],
    [{ check: 'udp', send: 'ping', answer: '' }, 'bad-value', 'health.answer'],
    [{ check: 'udp', send: '日本', answer: 'x' }, 'bad-value', 'health.send'],
    [{ check: 'http', path: 'healthz' }, 'bad-value', 'health.path'],
    [{ check: 'http', path: '/a b' }, 'bad-value', 'health.path'],
    [{ check: 'http', path: '/\r\nX: y' }, 'bad-value', 'health.path'],
    [{ check: 'http', path: '/#top' }, 'bad-value', 'health.path'],
    [{ check: 'http', host: 'a\r\nX: y' }, 'bad-value', 'health.host'],
    [{ check: 'http', host: 'a b' }, 'bad-value', 'health.host'],
    [{ check: 'http', host: 'a:70000' }, 'bad-value', 'health.host'],
    [{ check: 'http', host: '[10.0.0.5]' }, 'bad-value', 'health.host'],
    [{ check: 'http', body: 'a\nb' }, 'bad-value', 'health.body'],
    [{ check: 'http', status: 'ok' }, 'bad-value', 'health.status'],
    [{ check: 'http', status: 700 }, 'bad-value', 'health.status'],
    [{ check: 'http', status: '399-200' }, 'bad-value', 'health.status'],
    [{ check: 'http', status: '200,200-299' }, 'bad-value', 'health.status'],
    [{ check: 'tcp', every: '5' }, 'bad-value', 'health.every'],
    [{ check: 'tcp', every: '10ms' }, 'bad-value', 'health.every', '100ms to 1h'],
    [{ check: 'tcp', every: '2h' }, 'bad-value', 'health.every'],
    [{ check: 'tcp', every: '1s', timeout: '1s' }, 'health-timeout', 'health.timeout', '1s'],
    [{ check: 'tcp', timeout: '3s' }, 'health-timeout', '5s'],
    [{ check: 'tcp', fall: 0 }, 'bad-value', 'health.fall', '1 to 100'],
    [{ check: 'tcp', rise: 2.5 }, 'bad-value', 'health.rise'],
    [{ check: 'tcp', port: 65536 }, 'bad-value', 'health.port'],
    [{ check: 'tcp', slow_start: '10ms' }, 'bad-value', 'health.slow_start'],
    [7, 'bad-value', 'health'],
  ]
  test.each(rows)('%j: %s', (written, code, ...words) => {
    const problem = problemOf(() => parse(written))
    expect(problem.code).toBe(code)
    for (const word of words) expect(problem.message).toContain(word)
    expectClean(problem)
  })

  test('a key that is nearly right is suggested', () => {
    expect(problemOf(() => parse({ check: 'tcp', evry: '5s' })).remedy).toBe('Did you mean every?')
  })

  test('whatever the text, it is a value or a problem, and no line of a request ends in it', () => {
    holds(
      fc.record({ text: texts, key: fc.constantFrom('path', 'host', 'body', 'status') }),
      ({ text, key }) => {
        let health: ReturnType<typeof parse> | undefined
        try {
          health = parse({ check: 'http', [key]: text })
        } catch {
          expectClean(problemOf(() => parse({ check: 'http', [key]: text })))
        }
        if (health && 'path' in health.check)
          expect(`${health.check.path}${health.check.host}`).not.toMatch(/[\0-\x20\x7f]/)
      },
    )
  })
})

const documents: fc.Arbitrary<HealthDocument> = fc
  .record(
    {
      every: fc.constantFrom('100ms', '1500ms', '2s', '5s', '60s', '1m', '1h'),
      fall: fc.integer({ min: 1, max: 100 }),
      rise: fc.integer({ min: 1, max: 100 }),
      slow_start: fc.constantFrom('1s', '90s'),
    },
    { requiredKeys: [] },
  )
  .chain((rhythm) =>
    fc
      .oneof<fc.Arbitrary<HealthDocument>[]>(
        fc.record({
          check: fc.constantFrom('tcp', 'redis', 'postgres', 'mysql', 'smtp'),
          port: fc.constantFrom(1, 80),
        }),
        fc.constant({ check: 'icmp' as const }),
        fc.record(
          {
            check: fc.constantFrom('http', 'https'),
            path: fc.constantFrom('/', '/healthz?deep=1'),
            status: fc.constantFrom('200', '204,200-202', 404),
            body: fc
              .string({ unit: 'grapheme', maxLength: 20 })
              .filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text)),
            host: fc.constantFrom('app.example.org', '10.0.0.5:8080', '[fd00::5]:81'),
          },
          { requiredKeys: ['check'] },
        ),
        fc.constant({ check: 'dns' as const, name: 'App.example.org', answer: 'FD00::7' }),
        fc.record({
          check: fc.constant('udp' as const),
          send: fc.string({
            unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
            minLength: 1,
          }),
          answer: fc.constantFrom('pong', '\0\xff'),
        }),
      )
      .map((check) => ({ ...rhythm, ...(check as object) }) as HealthDocument),
  )

test('what is printed parses to the same, in one way', () => {
  holds(documents, (document) => {
    const health = parse(document)
    const printed = printHealth(health)
    expect(parse(printed)).toEqual(health)
    expect(printHealth(parse(printed))).toEqual(printed)
    expect(describeHealth(health)).toMatch(/^checked by \w+.* every \d+(ms|s|m|h) \(out after \d+ failed/)
  })
})

test('a time is printed in the largest unit that leaves no rest', () => {
  expect([100, 1000, 1500, 60_000, 90_000, 3_600_000].map(printSpan)).toEqual([
    '100ms',
    '1s',
    '1500ms',
    '1m',
    '90s',
    '1h',
  ])
})

describe('a check never goes to', () => {
  const ours = new Set(['10.0.0.1', 'fd00::1'])
  test.each([
    ['10.0.0.1', 'an address of this gateway'],
    ['fd00::1', 'an address of this gateway'],
    ['127.0.0.1', 'loopback'],
    ['127.1.2.3', 'loopback'],
    ['::1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fd00:ec2::254', 'credentials'],
    ['100.100.100.200', 'credentials'],
    ['168.63.129.16', 'credentials'],
    ['64:ff9b::7f00:1', 'stands for another'],
    ['2002:7f00:1::', 'stands for another'],
    ['224.0.0.1', 'not the address of one host'],
    ['255.255.255.255', 'not the address of one host'],
  ])('%s: %s', (text, why) => {
    expect(whyUncheckable(must(readAddress(text)), ours)).toContain(why)
  })

  test('and does go to hosts behind the gateway', () => {
    for (const text of ['10.0.0.5', '192.168.1.9', 'fd00::5', '203.0.113.7'])
      expect(whyUncheckable(must(readAddress(text)), ours)).toBeUndefined()
  })
})

describe('what was found', () => {
  test.each([
    [alive, ''],
    [dead('refused'), 'it refuses connections'],
    [dead('status', '503'), 'it answers with the status: "503"'],
    [dead('denied', 'a\u001b[2J\nb'), 'it takes no clients: "a\\u001b[2J\\nb"'],
    [{ kind: 'unknown', why: 'no descriptors' } as const, 'it could not be checked: no descriptors'],
  ])('%j', (outcome, words) => {
    expect(describeOutcome(outcome)).toBe(words)
  })

  test('a certificate that ends within two weeks is a warning', () => {
    const now = Date.parse('2026-11-24T00:00:00Z')
    expect(certificateWarning('Dec 20 12:00:00 2026 GMT', now)).toBe('')
    expect(certificateWarning('Dec  1 12:00:00 2026 GMT', now)).toBe('its certificate ends on 2026-12-01')
    expect(certificateWarning('Nov  1 12:00:00 2026 GMT', now)).toBe(
      'its certificate has ended on 2026-11-01',
    )
    expect(certificateWarning('', now)).toBe('')
  })
})

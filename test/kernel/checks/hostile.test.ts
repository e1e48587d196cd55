/** Targets that answer whatever they like: each check ends within its timeout, with little memory and the right word. */
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import type { HealthDocument } from '../../../src/model/health.ts'
import type { Behaviour } from '../../lab/inside/hostile.ts'
import { everyCheck, labOfFile, says } from './asking.ts'

const lab = labOfFile()

const head = 'HTTP/1.1 200 OK\r\n'
const greeting = '\x0a10.11\0'
const dns = '\x81\x80\0\x01\0\x01\0\0\0\0'

/** By name, in the order of their ports. */
const behaviours = {
  garbage: { sends: '\x00\xff\x7f\x01garbage\r\n\r\n'.repeat(20) },
  'garbage, when asked': { sends: '\xde\xad\xbe\xef\r\n'.repeat(20), answers: true },
  'closes at once': { sends: '', closes: true },
  'closes when asked': { sends: '', answers: true, closes: true },
  'says nothing': { sends: '' },
  'one line without end': { sends: 'x'.repeat(16_384), how: 'endless' },
  'lines without end': { sends: '220-wait for it\r\n'.repeat(1000), how: 'endless' },
  'a byte now and then': { sends: `${head}x: `, how: 'slowly' },
  'a mail server that is full': { sends: '421 too busy\r\n' },
  'a head without end': {
    sends: `${head}${'x-more: and more\r\n'.repeat(50)}`,
    answers: true,
    how: 'endless',
  },
  'lines of a head, more than any': { sends: `${head}${'a: b\r\n'.repeat(1000)}\r\n`, answers: true },
  'answers before the answer': {
    sends: 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000),
    answers: true,
    how: 'endless',
  },
  'a body without end': { sends: `${head}\r\n${'no '.repeat(1000)}`, answers: true, how: 'endless' },
  'in chunks': {
    sends: `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${head}Transfer-Encoding: chunked\r\n\r\n5\r\nall w\r\n4;x=y\r\nell!\r\n0\r\n\r\n`,
    answers: true,
  },
  'a chunk that is larger than all': {
    sends: `${head}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n${'x'.repeat(1000)}`,
    answers: true,
    how: 'endless',
  },
  'a chunk of no size': { sends: `${head}Transfer-Encoding: chunked\r\n\r\nwell\r\n`, answers: true },
  'a body shorter than it says': {
    sends: `${head}Content-Length: 1000\r\n\r\nall well`,
    answers: true,
    closes: true,
  },
  'Redis that is loading': { sends: '-LOADING Redis is loading the dataset in memory\r\n', answers: true },
  'an error of PostgreSQL that is too long': { sends: 'E\xff\xff\xff\xff', answers: true },
  'an error of PostgreSQL without a code': { sends: 'E\0\0\0\x10nothing here\0', answers: true },
  'PostgreSQL that starts': {
    sends: 'E\0\0\0\x2eSFATAL\0C57P03\0Mthe system is starting up\0\0',
    answers: true,
  },
  'MySQL that is blocked': { sends: '\x12\0\0\0\xff\x69\x04Host is blocked' },
  'MySQL that asks and asks': { sends: `\x07\0\0\0${greeting}${'\x02\0\0\x02\xfex'.repeat(50)}` },
  'a packet of MySQL that is too long': { sends: '\xff\xff\xff\0\x0a' },
} as const satisfies Record<string, Behaviour>

type Name = keyof typeof behaviours
const names = Object.keys(behaviours) as Name[]
const portOf = (name: Name) => 7000 + names.indexOf(name)

const datagrams = {
  8000: { protocol: 'udp', sends: 'no' },
  8001: { protocol: 'udp', sends: `\0\0${dns}`, how: 'endless' },
  8002: { protocol: 'udp', sends: '' },
} as const satisfies Record<number, Behaviour>

beforeAll(async () => {
  const script = fileURLToPath(new URL('../../lab/inside/hostile.ts', import.meta.url))
  const tcp = Object.fromEntries(names.map((name) => [portOf(name), behaviours[name]]))
  const words = [script, JSON.stringify({ ...tcp, ...datagrams })]
  await lab()
    .server.spawn(process.execPath, words)
    .says(/listening/)
})

const streams = everyCheck.filter(({ check }) => !['tcp', 'dns', 'udp'].includes(check))
const nothing = /^dead: it (does not speak|did not answer|closed|sends more|cannot be talked to)/

describe.each(streams.map((written) => [written.check, written] as const))(
  'a check of %s finds nobody alive',
  (_, written) => {
    test.each([
      'garbage',
      'garbage, when asked',
      'closes at once',
      'closes when asked',
      'says nothing',
      'one line without end',
      'lines without end',
      'a byte now and then',
    ] as const)('%s', async (name) => {
      const began = performance.now()
      expect(
        await says({ ...written, every: '2s', timeout: '500ms' } as HealthDocument, portOf(name)),
      ).toMatch(nothing)
      expect(performance.now() - began).toBeLessThan(3000)
    })
  },
)

const quick = { every: '2s', timeout: '500ms' } as const

describe('the right word is found', () => {
  const rows: readonly (readonly [Name, HealthDocument, string])[] = [
    ['closes at once', { check: 'redis' }, 'dead: it closed the connection before it had answered'],
    ['one line without end', { check: 'smtp' }, 'dead: it sends more than an answer has'],
    ['lines without end', { check: 'smtp' }, 'dead: it sends more than an answer has'],
    ['a byte now and then', { check: 'http' }, 'dead: it did not answer in time'],
    ['a mail server that is full', { check: 'smtp' }, 'dead: it takes no clients: "421 too busy"'],
    ['a head without end', { check: 'http' }, 'dead: it sends more than an answer has'],
    ['lines of a head, more than any', { check: 'http' }, 'dead: it sends more than an answer has'],
    ['answers before the answer', { check: 'http' }, 'dead: it sends more than an answer has'],
    ['a body without end', { check: 'http' }, ''],
    ['a body without end', { check: 'http', body: 'yes' }, 'dead: it sends more than an answer has'],
    ['in chunks', { check: 'http' }, ''],
    ['in chunks', { check: 'http', body: 'all well!' }, ''],
    [
      'in chunks',
      { check: 'http', body: 'all ill' },
      'dead: its answer does not contain the text: "all ill"',
    ],
    [
      'a chunk that is larger than all',
      { check: 'http', body: 'well' },
      'dead: it sends more than an answer has',
    ],
    [
      'a chunk of no size',
      { check: 'http', body: 'well' },
      'dead: its answer does not contain the text: "well"',
    ],
    ['a body shorter than it says', { check: 'http', body: 'all well' }, ''],
    [
      'a body shorter than it says',
      { check: 'http', body: 'ill' },
      'dead: its answer does not contain the text: "ill"',
    ],
    [
      'Redis that is loading',
      { check: 'redis' },
      'dead: it takes no clients: "LOADING Redis is loading the dataset in memory"',
    ],
    [
      'an error of PostgreSQL that is too long',
      { check: 'postgres' },
      'dead: it does not speak this protocol',
    ],
    ['an error of PostgreSQL without a code', { check: 'postgres' }, 'dead: it does not speak this protocol'],
    [
      'PostgreSQL that starts',
      { check: 'postgres' },
      'dead: it takes no clients: "the system is starting up"',
    ],
    ['MySQL that is blocked', { check: 'mysql' }, 'dead: it takes no clients: "Host is blocked"'],
    ['MySQL that asks and asks', { check: 'mysql' }, 'dead: it does not speak this protocol'],
    ['a packet of MySQL that is too long', { check: 'mysql' }, 'dead: it does not speak this protocol'],
  ]
  test.each(rows)('%s, asked %j: %s', async (name, written, words) => {
    const asked = { ...(written as object), ...quick } as HealthDocument
    expect((await says(asked, portOf(name))).slice(0, words.length || undefined)).toBe(words)
  })
})

describe('datagrams', () => {
  const name = { check: 'dns', name: 'app.example.org', answer: '10.0.0.7', ...quick } as const
  const udp = { check: 'udp', send: 'ping', answer: 'pong', ...quick } as const

  test('that are no answer of a name server, or not to this question', async () => {
    expect(await says(name, 8000)).toBe('dead: it does not speak this protocol')
    expect(await says(name, 8002)).toBe('dead: it does not speak this protocol')
    expect(await says(name, 8001)).toMatch(/^dead: it (sends more than|did not answer)/)
  })

  test('that are another answer than the expected one', async () => {
    expect(await says(udp, 8000)).toBe('dead: it gives another answer: "no"')
    expect(await says(udp, 8002)).toBe('dead: it gives another answer')
  })
})

test('a hundred floods at once cost no more than their share of memory', async () => {
  const before = process.memoryUsage().rss
  const asked = { check: 'http', body: 'yes', ...quick } as const
  await Promise.all(Array.from({ length: 100 }, () => says(asked, portOf('a body without end'))))
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
})

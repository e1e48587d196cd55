/** Arbitrary documents of forwards and gateways that are valid, and text that is not meant to be. For fast-check. */
import fc from 'fast-check'
import type { ForwardDocument, GatewayDocument } from '../../src/model/document.ts'
import { parseForward } from '../../src/model/forward.ts'
import { defaultSettings, parseGateway, type Written } from '../../src/model/gateway.ts'
import type { HealthDocument } from '../../src/model/health.ts'
import { Problem } from '../../src/model/problem.ts'
import { noChange, Register } from '../../src/model/register.ts'

/** Asserts `law` for arbitrary values. The same ones each time, unless FUZZ says how many times more it shall be, at random. */
export function holds<T>(arbitrary: fc.Arbitrary<T>, law: (value: T) => void, runs = 500): void {
  fc.assert(
    fc.property(arbitrary, (value) => void law(value)),
    runsOf(runs),
  )
}

export function runsOf(runs: number): { numRuns: number; seed?: number } {
  const more = Number(process.env.FUZZ ?? 0)
  return more > 0 ? { numRuns: runs * more } : { numRuns: runs, seed: 20270131 }
}

const byte = fc.integer({ min: 0, max: 255 })
const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16))

export const address4 = fc
  .tuple(fc.constantFrom('10.0', '192.168', '203.0', '100.64'), byte, byte)
  .map((parts) => parts.join('.'))

/** Zero groups at any place, so that `::` stands everywhere. */
export const address6 = fc
  .tuple(
    fc.constantFrom('fd00', '2001:db8', '2606:4700'),
    fc.array(fc.oneof(fc.constant('0'), group), { minLength: 6, maxLength: 6 }),
  )
  .map(
    ([head, groups]) =>
      `${head}:${groups.slice(head.includes(':') ? 0 : -6).join(':')}${head.includes(':') ? '' : ':1'}`,
  )

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,30}$/)
const listNames = ['office', 'home', 'none']

const prefix4 = fc.tuple(byte, byte, byte, fc.constantFrom(8, 16, 24, 32)).map(([a, b, c, length]) => {
  const parts = [a, b, c, 7].map((part, index) => (index * 8 < length ? part : 0))
  return `${parts.join('.')}/${length}`
})

const prefix6 = fc
  .tuple(group, group, fc.constantFrom(16, 32, 48))
  .map(([a, b, length]) =>
    length === 16 ? 'fd00::/16' : length === 32 ? `2001:${a}::/32` : `2001:${a}:${b}::/48`,
  )

const prefix = fc.oneof(prefix4, prefix6, address4, address6, fc.constantFrom('0.0.0.0/0', '::/0'))

/** Disjoint, sorted ranges in a narrow span, so that forwards meet each other often. */
const ranges = fc
  .uniqueArray(fc.integer({ min: 2000, max: 2060 }), { minLength: 1, maxLength: 4 })
  .chain((starts) => {
    const sorted = starts.sort((a, b) => a - b)
    const lengths = sorted.map((start, index) =>
      fc.integer({ min: 0, max: Math.min(4, (sorted[index + 1] ?? 2070) - start - 1) }),
    )
    return fc
      .tuple(...lengths)
      .map((ends) => sorted.map((first, index) => ({ first, last: first + (ends[index] ?? 0) })))
  })

interface Opening {
  readonly text: string
  readonly families: readonly (4 | 6)[]
  /** What may stand after the target's address. */
  readonly mappings: readonly string[]
}

const place = fc.oneof(
  fc.constant({ text: '', families: [4, 6] as const }),
  fc.constantFrom('203.0.113.5', '203.0.113.6').map((text) => ({ text: `@${text}`, families: [4] as const })),
  fc.constantFrom('2001:db8::5', '2001:db8::6').map((text) => ({ text: `@${text}`, families: [6] as const })),
  fc.constantFrom('eth0', 'wan-1', 'br_0.7').map((text) => ({ text: `%${text}`, families: [4, 6] as const })),
)

const portOpening: fc.Arbitrary<Opening> = fc
  .tuple(fc.constantFrom('tcp', 'udp', 'tcp+udp', 'udp+tcp'), ranges, place)
  .map(([protocols, held, { text, families }]) => {
    const ports = held.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
    const offset = held.length === 1 ? [':9000', `:${held[0]?.first}`] : []
    return { text: `${protocols}/${ports}${text}`, families, mappings: ['', ':=80', ...offset] }
  })

const pingOpening: fc.Arbitrary<Opening> = fc
  .constantFrom('203.0.113.5', '203.0.113.6', '2001:db8::5')
  .map((text) => ({ text: `icmp@${text}`, families: text.includes(':') ? [6] : [4], mappings: [''] }))

const opening = fc.oneof({ weight: 9, arbitrary: portOpening }, { weight: 1, arbitrary: pingOpening })

function targets({ families, mappings }: Opening): fc.Arbitrary<ForwardDocument['to']> {
  const of = (family: 4 | 6) =>
    fc.tuple(family === 4 ? address4 : address6, fc.constantFrom(...mappings)).map(([host, mapping]) => {
      if (mapping === '') return host
      return family === 4 ? `${host}${mapping}` : `[${host}]${mapping}`
    })
  const single = fc.constantFrom(...families).chain(of)
  return families.length === 1
    ? single
    : fc.oneof(
        single,
        fc.tuple(of(6), of(4)).map((pair) => [...pair]),
      )
}

const limits = fc.record(
  {
    new_per_source: fc
      .tuple(fc.constantFrom(1, 30, 9999999), fc.constantFrom('s', 'm', 'h'))
      .map((parts) => parts.join('/')),
    open_per_source: fc.constantFrom(1, 200, 1_000_000),
  },
  { requiredKeys: [] },
)

const expires = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())

const note = fc.stringMatching(/^[ -~äöü日本🙂]{0,60}$/u)

/** Such as any opening may have. */
const healths = fc.constantFrom<HealthDocument[]>(
  'icmp',
  { check: 'tcp', port: 80, every: '60s', fall: 1 },
  { check: 'https', port: 8443, path: '/a?b', status: '404,200-299', body: 'ok 🙂', host: 'a.example' },
  { check: 'dns', port: 53, name: 'a.example', answer: 'FD00::7', rise: 9 },
  { check: 'udp', port: 9, send: '\0\xff', answer: 'x', every: '1s', timeout: '500ms' },
)

export const forwardDocuments: fc.Arbitrary<ForwardDocument> = opening.chain((listen) =>
  fc.record(
    {
      listen: fc.constant(listen.text),
      to: targets(listen),
      name,
      from: fc.oneof(
        fc.constant('anywhere'),
        fc.array(fc.oneof(prefix, fc.constantFrom(...listNames)), { maxLength: 4 }),
      ),
      source_nat: fc.constantFrom('auto', 'preserve', 'masquerade'),
      limits,
      on_change: fc.constantFrom('drain', 'cut', 'keep'),
      health: healths,
      expires,
      note,
      enabled: fc.boolean(),
    },
    { requiredKeys: ['listen', 'to'] },
  ),
)

export const forwards = forwardDocuments.map((document) => parseForward(document))

/** Gateways whose forwards can stand together: of those that meet, the first one stays. */
export const gateways: fc.Arbitrary<Written> = fc
  .record({
    version: fc.constant(1 as const),
    mark: fc.constantFrom('0x2db00000/0xfff00000', '0x1/0x1', '0xffffffff/0xffffffff'),
    lists: fc.record({
      office: fc.array(prefix, { maxLength: 5 }),
      home: fc.array(prefix, { maxLength: 2 }),
      none: fc.constant<string[]>([]),
    }),
    forwards: fc.array(forwardDocuments, { maxLength: 12 }),
  })
  .map((document: GatewayDocument) => standing(parseGateway(document)))

function standing(written: Written): Written {
  const register = registerOf({ ...written, forwards: [] })
  const taken = written.forwards.filter((forward) => {
    try {
      register.apply({ ...noChange, put: register.forwards.has(forward.name) ? [] : [forward] }, nowhere)
      return register.forwards.get(forward.name) === forward
    } catch (error) {
      if (error instanceof Problem) return false
      throw error
    }
  })
  return { ...written, forwards: taken }
}

/** A machine without addresses of its own. */
export const nowhere = { privileged: true, ours: new Set<string>() } as const

export function registerOf({ settings, lists, forwards }: Written): Register {
  const register = new Register()
  register.apply(
    { ...noChange, settings: { ...defaultSettings, ...settings }, putLists: lists, put: forwards },
    nowhere,
  )
  return register
}

const syntax = [
  'tcp',
  'udp',
  'icmp',
  '/',
  '80',
  '65536',
  '-',
  ',',
  '@',
  '%',
  'eth0',
  '->',
  '10.0.0.5',
  ':',
  '=',
  '[',
  ']',
  'fd00::5',
  ' ',
  '\n',
  '"',
  ';',
  '{',
  '}',
  '\u0000',
  '+',
  '0',
  'anywhere',
  'office',
  '/24',
]

/** Text that is nearly of the language, or of nothing at all. */
export const texts = fc.oneof(
  fc.array(fc.constantFrom(...syntax), { maxLength: 10 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc
    .array(fc.constantFrom('\u0000', '\n', '\u202e', '\ud800', '🙂', 'x'), {
      minLength: 20,
      maxLength: 90,
      size: 'max',
    })
    .map((parts) => parts.join('')),
)

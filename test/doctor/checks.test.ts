/** The checks by themselves: what no lab can bring about is told from values, and what must hold of all of them. */
import { describe, expect, test } from 'vitest'
import { checks, diagnose } from '../../src/doctor/diagnose.ts'
import type { Evidence } from '../../src/doctor/evidence.ts'
import { symptomOf } from '../../src/doctor/symptoms.ts'
import { findings } from '../../src/model/catalogue/findings.ts'
import type { EndpointExam, Examination } from '../../src/model/examination.ts'
import type { Code } from '../../src/model/finding.ts'
import { parseForward } from '../../src/model/forward.ts'
import { defaultSettings } from '../../src/model/gateway.ts'
import type { Ending, Trace } from '../../src/model/trace.ts'

const endpoint: EndpointExam = {
  at: '10.0.0.5:80',
  address: { family: 4, text: '10.0.0.5' },
  port: 80,
  state: 'up',
  own: false,
  way: { by: 'in0', via: '', isDefault: false },
  refusal: null,
  neighbour: 'there',
  tcp: { answers: 15, refuses: 0, silent: 0, unreachable: 0, forbidden: 0, milliseconds: 0.4 },
  held: 'open',
  alsoTcp: null,
  udp: 'refused',
  closedPort: 'refused',
  pings: { sent: 20, answered: 20, milliseconds: 0.3 },
  size: { fits: 1500, link: 1500 },
}

const link = {
  up: true,
  carrier: true,
  mtu: 1500,
  forwards4: true,
  forwards6: true,
  rpFilter: 0,
  errors: 0,
  drops: 0,
}

const exam: Examination = {
  links: { out0: link, in0: link },
  addresses: ['10.0.0.1', '203.0.113.1'],
  outside: ['out0'],
  forwards4: true,
  forwards6: true,
  tracked: 1200,
  mostTracked: 262_144,
  buckets: 65_536,
  endpoints: [endpoint],
  hindered: false,
  flows: {
    answered: 3,
    unanswered: 0,
    sinceAnswered: 2,
    sinceUnanswered: null,
    example: '',
    masqueraded: null,
    ofClient: 0,
  },
  losses: { trackingFull: 0, trackingClashes: 0, reversePath: 0, listenOverflows: 0, softnet: 0 },
  machine: { load: 0.4, processors: 4, steal: 0, softirq: 1, memory: 0 },
  refused: 0,
  limited: 0,
  limitedNow: 0,
  clientBy: null,
  bans: [],
  logged: [],
  milliseconds: 480,
}

const traced = (ending: Ending): Trace => ({
  forward: 'web',
  family: 4,
  protocol: 'tcp',
  source: '198.51.100.1',
  sourcePort: 50_000,
  destination: '203.0.113.1',
  port: 8080,
  size: null,
  by: 'out0',
  target: '10.0.0.5:80',
  hops: [],
  ending,
  patience: 1000,
  notes: [],
})

const answered = traced({ kind: 'answered', how: 'accepts', ended: '', milliseconds: 0.5 })

const healthy: Evidence = {
  forward: parseForward({ name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80' }),
  gone: null,
  client: null,
  admits: 'yes',
  locked: false,
  mark: defaultSettings.mark,
  trouble: null,
  before: [],
  passage: { state: 'open', rule: 'no rule blocks it', remedy: '', command: '' },
  listeners: [],
  trace: answered,
  exam,
  agent: 'up',
}

const examined = (own: Partial<Examination>): Evidence => ({ ...healthy, exam: { ...exam, ...own } })
const reaching = (own: Partial<EndpointExam>): Evidence => examined({ endpoints: [{ ...endpoint, ...own }] })
const lost = (own: Partial<Examination['losses']>) => examined({ losses: { ...exam.losses, ...own } })
const busy = (own: Partial<Examination['machine']>) => examined({ machine: { ...exam.machine, ...own } })
const masqueraded = (count: number) =>
  examined({ flows: { ...exam.flows, masqueraded: { count, to: '10.0.0.5 port 80', by: '10.0.0.1' } } })

const codes = (evidence: Evidence) => {
  const { headline, others } = diagnose(evidence)
  return { headline: headline?.code ?? null, others: others.map(({ code }) => code) }
}

test('nothing is found where nothing is wrong', () => {
  expect(codes(healthy)).toEqual({ headline: null, others: [] })
})

test.each<[Code, Evidence, RegExp]>([
  ['agent-away', { ...healthy, agent: 'away', exam: null, trace: null }, /does not answer/],
  ['not-in-force', { ...healthy, trouble: { why: 'the kernel says no', remedy: 'x' } }, /the kernel says no/],
  ['tracking-full', examined({ tracked: 262_144 }), /262144 of at most 262144/],
  [
    'tracking-full',
    examined({ tracked: 262_000, losses: { ...exam.losses, trackingFull: 7 } }),
    /7 were lost/,
  ],
  ['tracking-nearly-full', examined({ tracked: 240_000 }), /240000 of at most 262144/],
  [
    'source-ports-exhausted',
    masqueraded(64_512),
    /64512 connections are masqueraded as 10.0.0.1 to 10.0.0.5 port 80/,
  ],
  ['softnet-drops', lost({ softnet: 41 }), /41 packets were dropped/],
  [
    'slow',
    reaching({ tcp: { ...endpoint.tcp, milliseconds: 640 } as EndpointExam['tcp'] }),
    /more than 500 ms/,
  ],
  [
    'listen-no-carrier',
    examined({ links: { ...exam.links, out0: { ...link, carrier: false } } }),
    /out0 is up, but nothing/,
  ],
  ['link-down', examined({ links: { ...exam.links, in0: { ...link, up: false } } }), /in0, which is down/],
  [
    'unseen',
    { ...healthy, trace: traced({ kind: 'unseen', why: 'something has taken it' }) },
    /something has taken it/,
  ],
  [
    'unrouted',
    { ...healthy, trace: traced({ kind: 'unrouted', why: 'a route prohibits it' }) },
    /a route prohibits it/,
  ],
  ['untaken', { ...healthy, trace: traced({ kind: 'untaken' }) }, /delivered to this machine itself/],
  [
    'no-target',
    {
      ...examined({ endpoints: [] }),
      forward: parseForward({ name: 'web', listen: 'tcp/8080', to: 'app.example.org:80' }),
    },
    /app\.example\.org/,
  ],
  [
    'listen-overflows',
    {
      ...lost({ listenOverflows: 3 }),
      forward: parseForward({ name: 'web', listen: 'tcp/8080', to: 'self' }),
      listeners: [{ protocol: 'tcp', address: '::', port: 8080, uid: 0 }],
    },
    /3 connections were dropped/,
  ],
])('%s is the headline', (code, evidence, says) => {
  const { headline } = diagnose(evidence)
  expect(headline).toMatchObject({ code, evidence: expect.stringMatching(says) })
})

test.each<[Code, Evidence]>([
  ['tracking-hash-small', examined({ tracked: 220_000, buckets: 16_384 })],
  ['stolen', busy({ steal: 40 })],
  ['overloaded', busy({ load: 31 })],
  ['memory-short', busy({ memory: 35 })],
  [
    'logged',
    examined({ logged: ['[UFW BLOCK] IN=out0 SRC=203.0.113.2 DST=203.0.113.1 PROTO=TCP DPT=8080 '] }),
  ],
])('%s is a note, and no headline', (code, evidence) => {
  expect(codes(evidence)).toEqual({ headline: null, others: [code] })
})

describe('what must hold of all checks', () => {
  test('each finding of the catalogue has one check, and each dependence is one', () => {
    const named = checks.map(({ code }) => code)
    expect(named.toSorted()).toEqual(Object.keys(findings).toSorted())
    expect(checks.flatMap(({ dependsOn }) => dependsOn).filter((code) => !named.includes(code))).toEqual([])
  })

  test('no two silence each other, over however many', () => {
    const byCode = new Map(checks.map((one) => [one.code, one]))
    const reaches = (from: Code, to: Code, seen = new Set<Code>()): boolean => {
      if (seen.has(from)) return false
      seen.add(from)
      const next = byCode.get(from)?.dependsOn ?? []
      return next.includes(to) || next.some((one) => reaches(one, to, seen))
    }
    expect(checks.map(({ code }) => code).filter((code) => reaches(code, code))).toEqual([])
  })

  test('each of the five symptoms is explained by some', () => {
    const explained = new Set(checks.flatMap(({ symptoms }) => symptoms))
    expect([...explained].toSorted()).toEqual([
      'failed handshake',
      'intermittent loss',
      'refused',
      'timed out',
      'unreachable',
    ])
  })
})

test('a consequence is silent while its cause is shown', () => {
  const dark = reaching({
    way: null,
    refusal: 'none',
    tcp: null,
    udp: null,
    pings: null,
    size: null,
    neighbour: 'unasked',
  })
  expect(codes({ ...dark, trace: traced({ kind: 'unrouted', why: 'there is no route' }) })).toEqual({
    headline: 'no-route',
    others: [],
  })
})

test('what explains the symptom comes first', () => {
  const both = {
    ...reaching({ held: 'closed' }),
    before: ['x: tcp/8080 is also forwarded to 10.0.0.6:81 by hand'],
  }
  expect(diagnose(both, null).headline?.code).toBe('taken-before')
  const refusing = reaching({ held: 'closed', pings: { sent: 20, answered: 12, milliseconds: 1 } })
  expect(diagnose(refusing, null).headline?.code).toBe('accepts-and-closes')
  expect(diagnose({ ...refusing, admits: 'nobody' }, 'failed handshake').headline?.code).toBe(
    'accepts-and-closes',
  )
  expect(diagnose({ ...refusing, admits: 'nobody' }, 'timed out').headline?.code).toBe('nobody-admitted')
})

test.each([
  ['connection timed out', 'timed out'],
  ['curl: (28) Operation timed out after 5000 ms', 'timed out'],
  ['Connection refused', 'refused'],
  ['connect ECONNREFUSED 203.0.113.1:8080', 'refused'],
  ['No route to host', 'unreachable'],
  ['Network is unreachable', 'unreachable'],
  ['sometimes it works', 'intermittent loss'],
  ['packet loss', 'intermittent loss'],
  ['SSL handshake failed', 'failed handshake'],
  ['Connection reset by peer', 'failed handshake'],
  ['it is purple', undefined],
])('"%s" is %s', (words, symptom) => {
  expect(symptomOf(words)).toBe(symptom)
})

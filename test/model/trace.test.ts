/** From what the kernel tells of a packet to sentences: whose rule, where, and how it ended. */
import { describe, expect, test } from 'vitest'
import { type Machine, outcomeOf } from '../../src/model/trace/ending.ts'
import type { Scene } from '../../src/model/trace/hops.ts'
import { ACK, type Header, type Probe, RST, SYN, type TraceStep } from '../../src/model/trace/step.ts'
import { describeEnding, describeHop, describeProof, isFinding, type Trace } from '../../src/model/trace.ts'

const probe: Probe = {
  family: 4,
  protocol: 'tcp',
  source: '198.51.100.7',
  sourcePort: 50_000,
  destination: '203.0.113.1',
  port: 8080,
  size: null,
  by: 'out0',
}

const sent: Header = { ...probe, bytes: 40, tcp: { sequence: 1, flags: SYN, data: 0 }, error: null }
const translated: Header = { ...sent, destination: '10.0.0.5', port: 80 }
const answer = (flags: number): Header => ({
  source: '10.0.0.5',
  sourcePort: 80,
  destination: probe.source,
  port: probe.sourcePort,
  protocol: 'tcp',
  bytes: 40,
  tcp: { sequence: 9, flags, data: 0 },
  error: null,
})
const home = (header: Header): Header => ({ ...header, source: probe.destination, sourcePort: probe.port })

const step = (of: Partial<TraceStep>): TraceStep => ({
  packet: 'there',
  table: 'inet drawbridge_probe',
  chain: 'first',
  handle: 0,
  verdict: 'accept',
  in: 'out0',
  out: '',
  header: null,
  at: 0,
  ...of,
})

const taken = [
  step({ header: sent }),
  step({ table: 'inet drawbridge', chain: 'prerouting', handle: 1, verdict: 'jump', header: sent }),
  step({ table: 'inet drawbridge', chain: 'forwarded', handle: 2 }),
  step({ chain: 'arrived', header: translated }),
]
const left = step({ chain: 'left', header: translated, out: 'in0' })
const back = (of: Partial<TraceStep>) => step({ packet: 'back', in: 'in0', at: 3, ...of })
const answered = (header: Header) => [
  back({ header }),
  back({ chain: 'left', handle: 9, header: home(header), out: 'out0', verdict: 'drop' }),
]

const bases: Readonly<Record<string, string>> = {
  'inet drawbridge prerouting': 'prerouting',
  'ip filter FORWARD': 'forward',
  'inet drawbridge_probe first': 'prerouting',
}
const scene: Scene = {
  hook: (table, chain) => {
    const name = bases[`${table} ${chain}`]
    return name === undefined ? undefined : { name, priority: 0 }
  },
  rule: (_table, _chain, handle) => `rule number ${handle}`,
  programs: (table) => (table === 'ip filter' ? ['ufw', 'Docker'] : []),
}

const machine: Machine = {
  up: true,
  forwards: () => true,
  routed: async () => ({ kind: 'refused', errno: 113 }),
  neighbour: async () => ({ neighbour: 'there', via: '', by: 'in0' }),
}

async function tracing(
  steps: readonly TraceStep[],
  around: Partial<Machine> = {},
  own = false,
): Promise<Trace> {
  const seen = { probe, steps, ended: 'closed', scene, own } as const
  const outcome = await outcomeOf(seen, { ...machine, ...around })
  return { ...probe, ...outcome, forward: 'web', patience: 1000, notes: [] }
}

const ending = async (...of: Parameters<typeof tracing>) => describeEnding(await tracing(...of))

test('answered: what was taken, rewritten, left and came back, each once and in its order', async () => {
  const traced = await tracing([...taken, left, ...answered(answer(SYN | ACK))])
  expect(traced.hops.map(describeHop)).toEqual([
    'arrives by out0',
    'Drawbridge accepts it in table inet drawbridge, chain forwarded (from prerouting) at prerouting: rule number 2',
    'destination 203.0.113.1:8080 becomes 10.0.0.5:80',
    'leaves by in0',
    'the answer arrives by in0',
    'source 10.0.0.5:80 becomes 203.0.113.1:8080',
    'the answer would leave by out0; it is kept here',
  ])
  expect(describeEnding(traced)).toBe('10.0.0.5:80 accepts the connection after 3.0 ms')
  expect(describeProof({ forward: 'web', trace: traced, why: '' })).toMatch(
    /^web: proven by a tcp packet from /,
  )
})

describe('who dropped it', () => {
  const dropped = (of: Partial<TraceStep>) =>
    ending([...taken, step({ header: translated, verdict: 'drop', ...of })])
  test.each([
    [
      { table: 'ip filter', chain: 'FORWARD', handle: 7 },
      /^lost: a rule made by hand drops it in table ip filter, chain FORWARD at forward: rule number 7$/,
    ],
    [
      { table: 'ip filter', chain: 'FORWARD' },
      /^lost: ufw or Docker drops it in table ip filter, chain FORWARD at forward: policy$/,
    ],
    [{ table: 'ip filter', chain: 'ufw-user-forward', handle: 7 }, /^lost: ufw drops it/],
    [{ table: 'ip filter', chain: 'DOCKER-USER', handle: 7 }, /^lost: Docker drops it/],
    [{ table: 'inet firewalld', chain: 'filter_FWD_public', handle: 7 }, /^lost: firewalld drops it/],
    [{ table: 'inet f2b-table', chain: 'f2b-chain', handle: 7 }, /^lost: Fail2Ban drops it/],
    [{ table: 'ip crowdsec', chain: 'crowdsec-chain', handle: 7 }, /^lost: CrowdSec drops it/],
    [
      { table: 'inet mine', chain: 'mine' },
      /^lost: a rule made by hand drops it in table inet mine, chain mine: policy$/,
    ],
    [
      { table: 'inet drawbridge', chain: 'sources', handle: 7 },
      /\(its source is not among those of the forward\)$/,
    ],
    [{ table: 'inet drawbridge', chain: 'guard', handle: 7 }, /\(it is beyond a limit of the forward\)$/],
  ] as const)('%o', async (of, says) => {
    expect(await dropped(of)).toMatch(says)
  })
})

describe('where it was lost', () => {
  test.each([
    ['in routing, of which the kernel says why', taken, {}, 'lost in routing: there is no route to 10.0.0.5'],
    [
      'in routing, by rp_filter',
      taken,
      { routed: async () => ({ kind: 'refused', errno: 18 }) },
      'lost in routing: rp_filter refuses it, as the way back to 198.51.100.7 does not lead by out0',
    ],
    ['where nothing is sent on', taken, { forwards: () => false }, /does not forward what comes by out0/],
    [
      'before all tables',
      [],
      {},
      'it did not come to any table: something before the first table has taken it',
    ],
    ['as the interface is down', [], { up: false }, 'it did not come to any table: the interface is down'],
    [
      'in silence, as its host is not there',
      [...taken, left],
      { neighbour: async () => ({ neighbour: 'missing', via: '', by: 'in0' }) },
      /there is no such host on in0, nobody answers ARP/,
    ],
    [
      'in silence, as a router is not there',
      [...taken, left],
      { neighbour: async () => ({ neighbour: 'missing', via: '10.0.0.77', by: 'in0' }) },
      /its router 10\.0\.0\.77 on in0 does not answer ARP/,
    ],
    [
      'in silence of a host that is there',
      [...taken, left],
      {},
      /^nobody answered within 1 s: the host of 10\.0\.0\.5:80 is there; its own firewall/,
    ],
    [
      'at the target, which refuses',
      [...taken, left, ...answered(answer(RST | ACK))],
      {},
      /^10\.0\.0\.5:80 refuses connections, as nothing listens there/,
    ],
    [
      'on its way back, by a rule',
      [
        ...taken,
        left,
        back({ header: answer(SYN | ACK) }),
        back({ table: 'ip filter', chain: 'FORWARD', handle: 4, header: answer(SYN | ACK), verdict: 'drop' }),
      ],
      {},
      /^the answer is lost: a rule made by hand drops it/,
    ],
    [
      'on its way back, in routing',
      [...taken, left, back({ header: answer(SYN | ACK) })],
      {},
      'the answer is lost in routing: there is no route to 198.51.100.7',
    ],
    [
      'nowhere: no forward took it',
      [step({ header: sent }), step({ chain: 'taken', header: sent })],
      {},
      'no forward takes it; it is delivered to this machine itself',
    ],
  ] as readonly (readonly [string, readonly TraceStep[], Partial<Machine>, string | RegExp])[])(
    '%s',
    async (_, steps, around, says) => {
      expect(await ending(steps, around)).toMatch(says)
    },
  )

  /** An error of ICMP that this machine sends by itself. */
  function saysItself(error: Header['error']): readonly TraceStep[] {
    const address = { protocol: 'icmp', source: '203.0.113.1', sourcePort: 0, port: 0 } as const
    const header = { ...answer(0), ...address, tcp: null, error }
    return [back({ in: '', header }), back({ in: '', chain: 'left', header, handle: 9, verdict: 'drop' })]
  }

  test('at a link that is too small, which this machine says itself, and how much fits', async () => {
    const own = saysItself({ type: 3, code: 4, mtu: 1400 })
    expect(await ending([...taken, ...own])).toBe(
      'this machine says after 3.0 ms: the packet is too big for the way, which takes 1400 bytes',
    )
  })

  test('in silence, of which this machine tells as a host that is unreachable', async () => {
    const own = saysItself({ type: 3, code: 1, mtu: 0 })
    const missing = async () => ({ neighbour: 'missing', via: '', by: 'in0' }) as const
    expect(await ending([...taken, left, ...own], { neighbour: missing })).toMatch(
      /there is no such host on in0/,
    )
    expect(await ending([...taken, left, ...own])).toBe(
      'this machine says after 3.0 ms: the host is unreachable',
    )
  })

  test('a service of this machine that is delivered to is not "no forward"', async () => {
    expect(await ending([step({ header: sent }), step({ chain: 'taken', header: sent })], {}, true)).toBe(
      'nobody answered within 1 s: no program of this machine has answered',
    )
  })
})

test('silence of udp is no finding where its host is there; of tcp it is', async () => {
  const silent = await tracing([...taken, left])
  const proof = { forward: 'web', trace: silent, why: '' }
  expect(isFinding(proof)).toBe(true)
  expect(isFinding({ ...proof, trace: { ...silent, protocol: 'udp' } })).toBe(false)
  expect(isFinding({ ...proof, trace: null, why: 'no' })).toBe(false)
})

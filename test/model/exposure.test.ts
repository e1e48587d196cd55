/** What is made of a machine's sockets, rules and forwards, without a kernel: words, groups and bounds. */
import { expect, test } from 'vitest'
import { sorting } from '../../src/model/exposure/cases.ts'
import { teller } from '../../src/model/exposure/declared.ts'
import type { Exposure, Machine, Service } from '../../src/model/exposure/exposure.ts'
import { reportOf } from '../../src/model/exposure/report.ts'
import type { BaseChain, Filters, Rule, Step } from '../../src/model/exposure/rules.ts'
import { type Forward, parseForward } from '../../src/model/forward.ts'
import { defaultSettings } from '../../src/model/gateway.ts'

const holder = { user: 'root', unit: 'ssh.service', program: 'sshd', pid: 7 }

function service(own: Partial<Service>): Service {
  const plain = { protocol: 'tcp', address: '0.0.0.0', families: [4], port: 22, interface: null } as const
  return { ...plain, question: false, holder, ...own }
}

function machine(own: Partial<Machine> = {}): Machine {
  return {
    services: [],
    filters: { bases: [], chains: {}, cutShort: false, refused: [] },
    outside: ['eth0'],
    addresses: [
      { family: 4, text: '203.0.113.1', interface: 'eth0' },
      { family: 6, text: '2001:db8::1', interface: 'eth0' },
      { family: 6, text: 'fe80::1', interface: 'eth1' },
    ],
    ways: {},
    forwarding: ['4 eth0', '6 eth0'],
    containers: [],
    arrivals: [],
    programs: [],
    returns: [],
    bridges: [],
    banned: [],
    down: {},
    echo: [],
    raw: [],
    whereabouts: {},
    entrances: {},
    ...own,
  }
}

const base: BaseChain = {
  table: 'inet filter',
  families: [4, 6],
  name: 'input',
  type: 'filter',
  hook: 'input',
  devices: [],
  priority: 0,
  policy: 'drop',
}

/** An input chain of these rules that drops what they leave. */
function filters(...rules: readonly (readonly Step[])[]): Filters {
  const named = rules.map((steps, at): Rule => ({ handle: at + 1, steps }))
  const chains = { 'inet filter input': { name: 'input', rules: named } }
  return { bases: [base], chains, cutShort: false, refused: [] }
}

const accept: Step = { kind: 'verdict', verdict: { kind: 'accept' } }
const toPort = (port: number): Step => ({
  kind: 'test',
  asked: [{ field: 'port', bits: 16, mask: null }],
  rows: [[[port.toString(16), port.toString(16)]]],
  not: false,
})

/** Every second address of 10.0.0.0/8. */
function from(at: number): Step {
  const address = (0x0a000000 + at * 2).toString(16)
  return {
    kind: 'test',
    asked: [{ field: 'source', bits: 32, mask: null }],
    rows: [[[address, address]]],
    not: false,
  }
}

const look = (seen: Machine, forwards: readonly Forward[] = []) => judged(seen, forwards)

function judged(seen: Machine, forwards: readonly Forward[]) {
  const { mark } = defaultSettings
  const declared = {
    locked: false,
    whereabouts: new Map(),
    down: new Map(),
    lists: new Map(),
    entrances: new Map(),
    mark,
  }
  const sorted = sorting(declared, seen)
  const tickets = forwards.map(sorted.add)
  const report = reportOf({ machine: seen, cases: sorted.cases, taken: sorted.taken(), mark })
  const told = teller(declared, seen, report.judged)
  const ours = forwards.map((forward, at) => told(forward, tickets[at] ?? ''))
  const others = report.undeclared.filter(({ kind }) => kind !== 'ping')
  return { exposures: [...ours, ...others], warnings: report.warnings, cases: sorted.cases.length }
}

const short = ({ kind, state, families, protocols, ports, addresses }: Exposure) =>
  `${kind} ${protocols.join('+')}/${ports}${addresses.map((one) => `@${one}`).join('')} ${families.join('+')} ${state}`

test('sockets of a program are one exposure: both families, both protocols, ports in a row', () => {
  const services = [22, 23, 24].flatMap((port) => [
    service({ port }),
    service({ port, address: '::', families: [6] }),
    service({ port, protocol: 'udp', address: '::', families: [4, 6] }),
  ])
  expect(look(machine({ services })).exposures.map(short)).toEqual(['service tcp+udp/22-24 4+6 open'])
})

test('a service on another link, or of another interface, is none of the outside', () => {
  const services = [
    service({ address: 'fe80::1', families: [6] }),
    service({ interface: 'eth1' }),
    service({ port: 23, interface: 'eth0' }),
  ]
  expect(look(machine({ services })).exposures.map(short)).toEqual(['service tcp/23 4 open'])
})

test('a port that a forward takes is not the service’s any more, and a forward that is shut takes none', () => {
  const services = [service({ port: 80 }), service({ port: 81 })]
  const forwards = [
    parseForward('tcp/80 -> 10.0.0.5:80'),
    parseForward({ listen: 'tcp/81', to: '10.0.0.5', enabled: false }),
  ]
  expect(look(machine({ services }), forwards).exposures.map(short)).toEqual([
    'forward tcp/80 4 open',
    'forward tcp/81 4 closed',
    'service tcp/81 4 open',
  ])
})

test('what is closed says by what, and a rule for a port on which nobody listens is told', () => {
  const seen = machine({ services: [service({})], filters: filters([toPort(80), accept]) })
  expect(look(seen).exposures.map((one) => `${short(one)}: ${one.rule}`)).toEqual([
    'service tcp/22 4 closed: blocked by table inet filter, chain input, policy',
    'permission tcp+udp/80 4+6 open: admitted by table inet filter, chain input, rule handle 1',
  ])
})

test('what cannot be read at all leaves nothing open for certain, in its family and on its way alone', () => {
  const services = [service({ families: [4, 6], address: '::' })]
  const refused = { ...machine().filters, refused: ['ip6tables-legacy filter'] }
  expect(
    look(machine({ services, filters: refused })).exposures.map((one) => `${short(one)}: ${one.rule}`),
  ).toEqual([
    'service tcp/22 4 open: no rule blocks it',
    'service tcp/22 6 unread: cannot be read: the table ip6tables-legacy filter',
  ])
  const devices = [
    { name: 'eth7', type: 1, isPort: false, isTagged: true },
    { name: 'eth0', type: 1, isPort: false, isTagged: false },
  ]
  const programs = [
    { device: 'eth7', words: 'an XDP program' },
    { device: 'veth9', words: 'an XDP program' },
  ]
  const seen = machine({
    services,
    programs,
    arrivals: [{ interface: 'eth0', devices }],
    ways: { '10.0.0.5': 'eth1' },
  })
  const { exposures, warnings } = look(seen)
  expect(exposures.map((one) => `${short(one)}: ${one.rule}`)).toEqual([
    'service tcp/22 4+6 unread: cannot be read: an XDP program of eth7',
  ])
  expect(warnings).toEqual([expect.stringMatching(/^an XDP program of eth7 sees/)])
  const onward = machine({
    programs: [{ device: 'eth1', words: 'tc filters (bpf) at egress' }],
    ways: { '10.0.0.5': 'eth1' },
  })
  const forwards = [parseForward('tcp/80 -> 10.0.0.5:80')]
  expect(look(onward, forwards).exposures.map(({ rule }) => rule)).toEqual([
    'cannot be read: tc filters (bpf) at egress of eth1',
  ])
})

test('of a bridge each port is a way of its own where something stands there', () => {
  const device = (name: string, isPort: boolean) => ({ name, type: 1, isPort, isTagged: false })
  const arrivals = ['eth1', 'eth2'].map((port) => ({
    interface: 'eth0',
    devices: [device(port, true), device('eth0', false)],
  }))
  const seen = machine({ services: [service({})], arrivals, bridges: ['eth0'] })
  expect(look(seen).exposures.map(({ state, interfaces }) => [state, interfaces])).toEqual([
    ['open', ['eth0']],
  ])
  const wall = { ...base, table: 'netdev x', name: 'in', hook: 'ingress', devices: ['eth2'] } as const
  const chains = { 'netdev x in': { name: 'in', rules: [] } }
  const walled = { ...seen, filters: { bases: [wall], chains, cutShort: false, refused: [] } }
  expect(look(walled).exposures.map(({ state, interfaces }) => [state, interfaces])).toEqual([
    ['open', ['eth0 past eth1']],
    ['closed', ['eth0 past eth2']],
  ])
})

test('from where only some networks come in, those are named', () => {
  const span = (first: string, last: string) => [first, last] as const
  const inside = [span('0a000000', '0a0000ff')]
  const path = { family: 4, interface: 'eth0', filter: 'strict', by: inside, any: inside } as const
  const seen = machine({ services: [service({})], returns: [path] })
  const forwards = [parseForward('tcp/80 -> 10.0.0.5:80')]
  expect(look(seen, forwards).exposures.map(({ from, anywhere }) => [from, anywhere])).toEqual([
    ['anywhere, of those 10.0.0.0/24', false],
    ['10.0.0.0/24', false],
  ])
  const unknown = machine({ services: [service({})], returns: [{ ...path, by: null, any: null }] })
  expect(look(unknown).exposures.map(({ state, rule }) => [state, rule])).toEqual([
    ['unread', expect.stringMatching(/^cannot be read: rp_filter of eth0/)],
  ])
  expect(look(unknown).warnings).toHaveLength(1)
})

test('a chain that was not read closes nothing, and that is said', () => {
  const { bases } = filters()
  const seen = machine({
    services: [service({})],
    filters: { bases, chains: {}, cutShort: true, refused: ['iptables-legacy filter'] },
  })
  const { exposures, warnings } = look(seen)
  expect(exposures.map(short)).toEqual(['service tcp/22 4 unread'])
  expect(warnings).toEqual([
    expect.stringMatching(
      /^the kernel does not give the rules of iptables-legacy filter, so nothing is called open/,
    ),
    expect.stringMatching(/^this machine has more rules than were followed/),
  ])
})

test('where there are more rules than are followed, nothing behind them is called closed', () => {
  const rules = Array.from({ length: 3000 }, (_, at): readonly Step[] => [from(at), toPort(at + 1), accept])
  const seen = machine({ services: [service({ port: 50_000 })], filters: filters(...rules) })
  const { exposures, warnings } = look(seen)
  expect(exposures.filter(({ kind }) => kind === 'service').map(short)).toEqual([
    'service tcp/50000 4 unread',
  ])
  expect(warnings).toHaveLength(1)
})

test('64,000 forwards are each told once, beside a firewall of 500 rules', () => {
  const rules = Array.from({ length: 500 }, (_, at): readonly Step[] => [from(at), toPort(at + 1), accept])
  const own = filters(...rules)
  const onward = { ...base, hook: 'forward', name: 'forward', policy: 'accept' } as const
  const seen = machine({ filters: { ...own, bases: [...own.bases, onward] } })
  const chains = { ...own.chains, 'inet filter forward': { name: 'forward', rules: [] } }
  const forwards = Array.from({ length: 64_000 }, (_, at) =>
    parseForward({ name: `f${at}`, listen: `tcp/${at + 1000}`, to: `10.0.${at % 8}.5:80` }),
  )
  const began = performance.now()
  const { exposures } = look({ ...seen, filters: { ...seen.filters, chains } }, forwards)
  console.info(`64,000 forwards, 500 rules: ${Math.round(performance.now() - began)} ms`)
  expect(exposures.filter(({ kind, state }) => kind === 'forward' && state === 'open')).toHaveLength(64_000)
  expect(exposures.filter(({ kind }) => kind === 'permission')).toHaveLength(500)
})

/** What ufw and firewalld are asked for a service that is opened here, from what they have and what is wanted. */
import { expect, test } from 'vitest'
import { parsePrefix } from '../../src/model/address.ts'
import { type Allowance, shareOf } from '../../src/model/allowance.ts'
import { readZones, wantedRules, type Zone } from '../../src/neighbours/firewalld-gate.ts'
import { readUfwRules, ufwSteps } from '../../src/neighbours/ufw-gate.ts'

const allowance = (source: string, more: Partial<Allowance> = {}): Allowance => ({
  forward: 'pg',
  protocol: 'tcp',
  ports: { first: 5432, last: 5432 },
  source: parsePrefix('from', source),
  to: null,
  interface: null,
  ...more,
})
const hex = (text: string) => Buffer.from(text).toString('hex')
const tuple = (rule: string, comment?: string) =>
  `### tuple ### ${rule}${comment === undefined ? '' : ` comment=${hex(comment)}`}\n-A ufw-user-input …\n`
const commandsOf = (text: string, wanted: readonly Allowance[]) =>
  ufwSteps(readUfwRules(text), wanted).steps.map(({ verb, words }) => `${verb} ${words.join(' ')}`)

test('ufw: a rule for each source, range, address and interface; a source of one family makes a rule of that family', () => {
  expect(
    commandsOf('', [
      allowance('198.51.100.0/24'),
      allowance('2001:db8:7::/48', { ports: { first: 8000, last: 8010 } }),
      allowance('0.0.0.0/0', { protocol: 'udp', to: { family: 4, text: '203.0.113.1' }, interface: 'eth0' }),
    ]),
  ).toEqual([
    'allow proto tcp from 198.51.100.0/24 to any port 5432 comment drawbridge: pg',
    'allow proto tcp from 2001:db8:7::/48 to any port 8000:8010 comment drawbridge: pg',
    'allow in on eth0 proto udp from 0.0.0.0/0 to 203.0.113.1 port 5432 comment drawbridge: pg',
  ])
})

test('ufw: what is there already is not asked for again, and what is not wanted any more goes', () => {
  const text =
    tuple('allow tcp 5432 0.0.0.0/0 any 198.51.100.0/24 in', 'drawbridge: pg') +
    tuple('allow tcp 5433 0.0.0.0/0 any 198.51.100.7 in', 'drawbridge: old')
  expect(commandsOf(text, [allowance('198.51.100.0/24')])).toEqual([
    'delete proto tcp from 198.51.100.7 to any port 5433 comment drawbridge: old',
  ])
  expect(commandsOf(text, [])).toHaveLength(2)
})

test('ufw: the forward of another name takes the rule over, after the old one is gone', () => {
  const text = tuple('allow tcp 5432 0.0.0.0/0 any 198.51.100.7 in', 'drawbridge: old')
  expect(commandsOf(text, [allowance('198.51.100.7')])).toEqual([
    'delete proto tcp from 198.51.100.7 to any port 5432 comment drawbridge: old',
    'allow proto tcp from 198.51.100.7 to any port 5432 comment drawbridge: pg',
  ])
})

test.for([undefined, 'office'])(
  'ufw: the same rule of the operator (comment %s) is enough, and is never written on or removed',
  (comment) => {
    const text = tuple('allow tcp 5432 0.0.0.0/0 any 198.51.100.7 in', comment)
    expect(commandsOf(text, [allowance('198.51.100.7')])).toEqual([])
    expect(commandsOf(text, [])).toEqual([])
  },
)

test('ufw: a contrary rule of the operator stays, and it is said that it does', () => {
  const text = tuple('deny tcp 5432 0.0.0.0/0 any 198.51.100.7 in')
  const { steps, unadmitted } = ufwSteps(readUfwRules(text), [allowance('198.51.100.7')])
  expect(steps).toEqual([])
  expect(unadmitted).toEqual([{ forward: 'pg', why: expect.stringMatching(/a rule of yours says deny/) }])
})

test('ufw: rules by application profiles, and routed ones, are none of ours', () => {
  const text =
    tuple('allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 Nginx%20HTTP - in') +
    tuple('route:allow tcp 5432 0.0.0.0/0 any 198.51.100.7 in', 'drawbridge: pg')
  expect(commandsOf(text, [])).toEqual([])
})

const zone = (name: string, more: Partial<Zone> = {}): Zone => ({
  name,
  target: 'default',
  interfaces: [],
  sources: [],
  rules: [],
  ...more,
})

test('firewalld: zones are read as they are listed', () => {
  const listed = `public (active)
  target: default
  icmp-block-inversion: no
  interfaces: eth0 eth1
  sources: 
  services: ssh
  icmp-blocks: 
  rich rules: 
	rule priority="11696" family="ipv4" source address="198.51.100.7" port port="5432" protocol="tcp" accept
	rule family="ipv4" source address="198.51.100.9" reject

drop
  target: DROP
  interfaces: 
  sources: 10.1.0.0/16
  rich rules: 
`
  expect(readZones(listed)).toEqual([
    zone('public', {
      interfaces: ['eth0', 'eth1'],
      rules: [
        'rule priority="11696" family="ipv4" source address="198.51.100.7" port port="5432" protocol="tcp" accept',
        'rule family="ipv4" source address="198.51.100.9" reject',
      ],
    }),
    zone('drop', { target: 'DROP', sources: ['10.1.0.0/16'] }),
  ])
})

test('firewalld: the rule stands wherever packets are judged, but where everything passes and where sources are kept out', () => {
  const zones = [
    zone('public'),
    zone('internal', { interfaces: ['in0'] }),
    zone('work', { sources: ['10.2.0.0/16'] }),
    zone('drop', { target: 'DROP', sources: ['10.1.0.0/16'] }),
    zone('trusted', { target: 'ACCEPT', interfaces: ['tun0'] }),
    zone('home'),
  ]
  const { rules, unadmitted } = wantedRules(zones, 'public', [allowance('198.51.100.0/24')])
  expect([...rules.keys()]).toEqual(['public', 'internal', 'work'])
  expect(rules.get('public')).toEqual([
    'rule priority="11696" family="ipv4" source address="198.51.100.0/24" port port="5432" protocol="tcp" accept',
  ])
  expect(unadmitted).toEqual([])
})

test('firewalld: everybody of a family has no source, and an address of ours is the destination', () => {
  const at = { family: 6, text: '2001:db8:1::1' } as const
  const { rules } = wantedRules([zone('public')], 'public', [
    allowance('::/0', { to: at, ports: { first: 80, last: 90 } }),
  ])
  expect(rules.get('public')).toEqual([
    'rule priority="11696" family="ipv6" destination address="2001:db8:1::1" port port="80-90" protocol="tcp" accept',
  ])
})

test('firewalld: an opening on one interface is for the zone of that interface alone, or is refused with the remedy', () => {
  const one = allowance('198.51.100.0/24', { interface: 'out0' })
  const own = wantedRules([zone('public'), zone('wan', { interfaces: ['out0'] })], 'public', [one])
  expect(own.rules.get('public')).toEqual([])
  expect(own.rules.get('wan')).toHaveLength(1)
  const shared = wantedRules([zone('public', { interfaces: ['out0', 'in0'] })], 'public', [one])
  expect(shared.rules.get('public')).toEqual([])
  expect(shared.unadmitted).toEqual([
    { forward: 'pg', why: expect.stringMatching(/out0 needs a zone for itself/) },
  ])
})

test('a forward of too many sources is left out whole, never opened to anywhere; others are not', () => {
  const many = Array.from({ length: 65 }, (_, at) => allowance(`198.51.100.${at}`, { forward: 'many' }))
  const { allowances, unadmitted } = shareOf([...many, allowance('203.0.113.7')])
  expect(allowances).toEqual([allowance('203.0.113.7')])
  expect(unadmitted).toEqual([{ forward: 'many', why: expect.stringMatching(/needs 65 rules, and 64/) }])
  expect(shareOf(many.slice(1)).unadmitted).toEqual([])
})

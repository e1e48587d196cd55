/** Tables of iptables-legacy, as the kernel gives them: held against what iptables-legacy itself says of packets. */
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { readLegacy } from '../../src/kernel/filters/legacy.ts'
import { enterNewNetwork, run } from './network.ts'

beforeAll(enterNewNetwork)
afterEach(() => {
  for (const program of ['iptables-legacy-restore', 'ip6tables-legacy-restore'])
    load(program, '*filter\nCOMMIT\n*nat\nCOMMIT\n')
})

function load(program: string, text: string): void {
  // The machine's own lock may not be ours to take.
  const env = { ...process.env, XTABLES_LOCKFILE: join(tmpdir(), 'drawbridge-xtables.lock') }
  const { status, stderr } = spawnSync(program, [], { input: text, encoding: 'utf8', env })
  if (status !== 0) throw new Error(stderr)
}

const read = () => readLegacy({ left: 20_000 })

test('chains and policies, rules in their order, jumps and gotos by name', () => {
  load(
    'iptables-legacy-restore',
    `*filter
:INPUT DROP
:FORWARD ACCEPT
:OUTPUT ACCEPT
:web -
-A INPUT -i eth+ -s 198.51.100.0/24 -p tcp -m tcp --dport 80 -j web
-A INPUT ! -i eth0 -g web
-A INPUT -p udp -m multiport --dports 53,67 -j REJECT
-A web -d 203.0.113.9/32 -j ACCEPT
-A web -j RETURN
COMMIT
`,
  )
  const { bases, chains, refused } = read()
  expect(refused).toEqual([])
  const filter = bases.filter(({ table }) => table === 'iptables-legacy filter')
  expect(filter.map(({ name, hook, priority, policy }) => `${name} ${hook} ${priority} ${policy}`)).toEqual([
    'INPUT input 0 drop',
    'FORWARD forward 0 accept',
    'OUTPUT output 0 accept',
  ])
  const input = chains['iptables-legacy filter INPUT']
  expect(input?.rules.map(({ handle, steps }) => [handle, steps.at(-1)])).toEqual([
    [1, { kind: 'verdict', verdict: { kind: 'jump', chain: 'web' } }],
    [2, { kind: 'verdict', verdict: { kind: 'goto', chain: 'web' } }],
    [3, { kind: 'verdict', verdict: { kind: 'reject' } }],
  ])
  const asked = input?.rules[0]?.steps.flatMap((step) => (step.kind === 'test' ? step.asked : []))
  expect(asked?.map(({ field }) => field)).toEqual(['source', 'inInterface', 'protocol', 'port'])
  expect(chains['iptables-legacy filter web']?.rules.map(({ steps }) => steps.at(-1))).toEqual([
    { kind: 'verdict', verdict: { kind: 'accept' } },
    { kind: 'verdict', verdict: { kind: 'return' } },
    { kind: 'verdict', verdict: { kind: 'return' } },
  ])
})

test('IPv6, and destination NAT with its target', () => {
  load('ip6tables-legacy-restore', '*filter\n-A INPUT -s 2001:db8::/32 -p tcp --dport 22 -j DROP\nCOMMIT\n')
  load(
    'iptables-legacy-restore',
    '*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to 10.0.0.5:8080\nCOMMIT\n',
  )
  const { bases, chains } = read()
  expect(chains['ip6tables-legacy filter INPUT']?.rules[0]?.steps[0]).toEqual({
    kind: 'test',
    asked: [{ field: 'source', bits: 128, mask: 'ffffffff000000000000000000000000' }],
    rows: [[['20010db8000000000000000000000000', '20010db8000000000000000000000000']]],
    not: false,
  })
  expect(chains['iptables-legacy nat PREROUTING']?.rules[0]?.steps.at(-1)).toEqual({
    kind: 'verdict',
    verdict: { kind: 'translate', address: '10.0.0.5', ports: [8080, 8080], known: true },
  })
  const nat = bases.filter(({ table }) => table === 'iptables-legacy nat')
  expect(nat.map(({ hook, priority, type }) => `${hook} ${priority} ${type}`)).toContain(
    'prerouting -100 nat',
  )
})

test('a table that nobody has made is not made by looking', () => {
  const listed = () => run('cat', '/proc/thread-self/net/ip_tables_names').split('\n').sort()
  const before = listed()
  read()
  expect(listed()).toEqual(before)
  expect(before).not.toContain('security')
})

/** Destination NAT of other programs, read back from the kernel's own form of their rules. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { openNetlink } from '../../src/kernel/netlink.ts'
import { readOthers } from '../../src/kernel/others/reading.ts'
import { printPrefix } from '../../src/model/address.ts'
import { allPorts } from '../../src/model/match.ts'
import { describeRule, type OthersForward } from '../../src/model/others.ts'
import { printPorts } from '../../src/model/ports.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

beforeAll(() => {
  enterNewNetwork()
  addLinks('eth0', 'eth1')
})
afterEach(() => void run('nft', 'flush', 'ruleset'))

const others = () => readOthers(openNetlink(1 << 20))

/** One rule as one line: what it takes and where it sends it. */
function line({ families, protocols, ports, addresses, interfaces, exact, to }: OthersForward): string {
  return [
    families.map((family) => `ipv${family}`).join('+'),
    protocols.join('+'),
    ports === allPorts || printPorts(ports) === '0-65535' ? 'every port' : printPorts(ports),
    ...(addresses ? [`at ${addresses.map(printPrefix).join(',')}`] : []),
    ...(interfaces ? [`${interfaces.not ? 'not ' : ''}by ${interfaces.names.join(',')}`] : []),
    `-> ${to}`,
    ...(exact ? [] : ['(more conditions)']),
  ].join(' ')
}

function load(program: string, text: string, ...words: string[]): void {
  const { status, stderr } = spawnSync(program, words, { input: text, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** The rules of a chain at prerouting. */
function linesOf(rules: readonly string[], { family = 'inet', more = '' } = {}): string[] {
  const chain = 'type nat hook prerouting priority dstnat;'
  load('nft', `table ${family} hand {\n${more}\nchain pre { ${chain}\n${rules.join('\n')}\n}\n}\n`, '-f', '-')
  return others().forwards.map(line)
}

test.each([
  ['tcp dport 80 dnat ip to 10.0.0.5:8080', 'ipv4+ipv6 tcp 80 -> 10.0.0.5:8080'],
  ['tcp dport 80 counter dnat ip6 to [fd00::5]:8080', 'ipv4+ipv6 tcp 80 -> [fd00::5]:8080'],
  ['meta l4proto { tcp, udp } th dport 53 dnat ip to 10.0.0.5', 'ipv4+ipv6 tcp+udp 53 -> 10.0.0.5'],
  ['udp dport { 53, 5353, 6000-6010 } dnat ip to 10.0.0.5', 'ipv4+ipv6 udp 53,5353,6000-6010 -> 10.0.0.5'],
  ['tcp dport 1000-2000 dnat ip to 10.0.0.5', 'ipv4+ipv6 tcp 1000-2000 -> 10.0.0.5'],
  ['tcp dport != 22 dnat ip to 10.0.0.5', 'ipv4+ipv6 tcp 0-21,23-65535 -> 10.0.0.5'],
  ['tcp dport != { 22, 80 } dnat ip to 10.0.0.5', 'ipv4+ipv6 tcp 0-21,23-79,81-65535 -> 10.0.0.5'],
  ['tcp dport >= 60000 dnat ip to 10.0.0.5', 'ipv4+ipv6 tcp 60000-65535 -> 10.0.0.5'],
  ['tcp dport < 100 dnat ip to 10.0.0.5', 'ipv4+ipv6 tcp 0-99 -> 10.0.0.5'],
  ['ip daddr 203.0.113.7 tcp dport 80 dnat to 10.0.0.5', 'ipv4 tcp 80 at 203.0.113.7 -> 10.0.0.5'],
  ['ip daddr 203.0.113.0/24 dnat to 10.0.0.5', 'ipv4 tcp+udp every port at 203.0.113.0/24 -> 10.0.0.5'],
  ['ip daddr 203.0.112.0/22 udp dport 1 dnat to 10.0.0.5', 'ipv4 udp 1 at 203.0.112.0/22 -> 10.0.0.5'],
  ['ip6 daddr 2001:db8::/44 udp dport 1 dnat to fd00::5', 'ipv6 udp 1 at 2001:db8::/44 -> fd00::5'],
  [
    'ip daddr { 203.0.113.7, 203.0.113.8 } tcp dport 80 dnat to 10.0.0.5',
    'ipv4 tcp 80 at 203.0.113.7,203.0.113.8 -> 10.0.0.5',
  ],
  [
    'iifname "eth0" tcp dport 80 redirect to :8080',
    'ipv4+ipv6 tcp 80 by eth0 -> port 8080 of this machine itself',
  ],
  ['iifname "eth*" tcp dport 80 redirect', 'ipv4+ipv6 tcp 80 by eth* -> this machine itself'],
  [
    'iifname != { "eth0", "eth1" } tcp dport 80 redirect',
    'ipv4+ipv6 tcp 80 not by eth0,eth1 -> this machine itself',
  ],
  ['iif eth1 tcp dport 80 redirect', 'ipv4+ipv6 tcp 80 by eth1 -> this machine itself'],
  ['fib daddr type local tcp dport 80 redirect', 'ipv4+ipv6 tcp 80 -> this machine itself'],
  ['ip saddr 198.51.100.0/24 tcp dport 80 dnat to 10.0.0.5', 'ipv4 tcp 80 -> 10.0.0.5 (more conditions)'],
  ['tcp sport 53 tcp dport 80 redirect', 'ipv4+ipv6 tcp 80 -> this machine itself (more conditions)'],
  ['ct mark 7 tcp dport 80 redirect', 'ipv4+ipv6 tcp 80 -> this machine itself (more conditions)'],
  ['tcp dport 80 limit rate 1/second redirect', 'ipv4+ipv6 tcp 80 -> this machine itself (more conditions)'],
  [
    'dnat ip to tcp dport map { 80 : 10.0.0.5, 443 : 10.0.0.6 }',
    'ipv4+ipv6 tcp 80,443 -> a target that a map tells',
  ],
])('%s', (rule, said) => {
  expect(linesOf([rule])).toEqual([said])
})

test('rules that translate no destination, of other protocols or never reached are none', () => {
  const rules = [
    'tcp dport 80 accept',
    'meta l4proto icmp dnat ip to 10.0.0.5',
    'fib daddr type broadcast redirect',
  ]
  expect(linesOf([...rules, 'counter return', 'tcp dport 80 redirect'])).toEqual([])
})

test('jumps are followed, by verdict maps too, with what was asked on the way', () => {
  const more = `
    chain web { meta l4proto tcp dnat ip to 10.0.0.5:80\n}
    chain mail { ip saddr 198.51.100.1 return\n tcp dport 25 dnat to 10.0.0.25\n}
    map services { type inet_service : verdict; flags interval; elements = { 80 : jump web, 8000-8010 : goto web, 25 : jump mail } }`
  expect(linesOf(['iifname "eth0" tcp dport vmap @services'], { family: 'ip', more }).sort()).toEqual([
    'ipv4 tcp 25 by eth0 -> 10.0.0.25 (more conditions)',
    'ipv4 tcp 80,8000-8010 by eth0 -> 10.0.0.5:80',
  ])
})

test('a rule says where it stands', () => {
  linesOf(['tcp dport 80 redirect', 'tcp dport 81 redirect'])
  const [, second] = others().forwards
  expect(describeRule(second as OthersForward)).toMatch(/^table inet hand, chain pre, rule handle \d+$/)
  expect(run('nft', '-a', 'list', 'table', 'inet', 'hand')).toContain(
    `tcp dport 81 redirect # handle ${second?.where.handle}`,
  )
  expect(second?.where.priority).toBe(-100)
})

test('iptables: its ways to say ports, interfaces and targets', () => {
  const rules = [
    '-p tcp --dport 80 -j DNAT --to-destination 10.0.0.5:8080',
    '-p udp --dport 100:200 -i eth0 -j DNAT --to-destination 10.0.0.5',
    '-p tcp -m multiport --dports 25,110,1000:2000 -j REDIRECT --to-ports 2525',
    '-d 203.0.113.7 ! -i eth1 -p tcp ! --dport 22 -m comment --comment x -j DNAT --to-destination 10.0.0.6',
    '-s 198.51.100.0/24 -p tcp --dport 81 -j REDIRECT',
    '-p tcp --dport 82 --sport 53 -j REDIRECT',
    '-p icmp -j REDIRECT',
  ]
  load(
    'iptables-nft-restore',
    ['*nat', ...rules.map((rule) => `-A PREROUTING ${rule}`), 'COMMIT', ''].join('\n'),
  )
  expect(others().forwards.map(line)).toEqual([
    'ipv4 tcp 80 -> 10.0.0.5:8080',
    'ipv4 udp 100-200 by eth0 -> 10.0.0.5',
    'ipv4 tcp 25,110,1000-2000 -> port 2525 of this machine itself',
    'ipv4 tcp 0-21,23-65535 at 203.0.113.7 not by eth1 -> 10.0.0.6',
    'ipv4 tcp 81 -> this machine itself (more conditions)',
    'ipv4 tcp 82 -> this machine itself (more conditions)',
  ])
  load(
    'ip6tables-nft-restore',
    '*nat\n-A PREROUTING -p tcp --dport 90 -j DNAT --to-destination [fd00::5]:91\nCOMMIT\n',
  )
  expect(others().forwards.map(line)).toContain('ipv6 tcp 90 -> [fd00::5]:91')
})

test('what dockerd makes of published ports is read and known as Docker’s', () => {
  load('iptables-nft-restore', readFileSync(new URL('../lab/dockerd.rules', import.meta.url), 'utf8'))
  const { forwards } = others()
  expect(forwards.map(line)).toEqual([
    'ipv4 tcp 8080 not by docker0 -> 172.17.0.2:80',
    'ipv4 tcp 9002 at 127.0.0.1 not by docker0 -> 172.17.0.3:9002',
    'ipv4 tcp 9001 at 127.0.0.1 not by docker0 -> 172.17.0.3:9001',
    'ipv4 tcp 9000 at 127.0.0.1 not by docker0 -> 172.17.0.3:9000',
    'ipv4 udp 5353 at 203.0.113.1 not by docker0 -> 172.17.0.3:53',
  ])
  expect(new Set(forwards.map(({ by }) => by))).toEqual(new Set(['Docker']))
})

test('so is what its nftables backend makes, written here as its documentation shows it', () => {
  const rules = [
    'chain nat-PREROUTING { type nat hook prerouting priority dstnat; fib daddr type local counter jump nat-prerouting-and-output\n}',
    'chain nat-prerouting-and-output { iifname != "br-1" tcp dport 8080 counter dnat to 172.18.0.2:80 comment "DNAT"\n}',
  ]
  load('nft', `table ip docker-bridges {\n${rules.toReversed().join('\n')}\n}\n`, '-f', '-')
  const { forwards } = others()
  expect(forwards.map(line)).toEqual(['ipv4 tcp 8080 not by br-1 -> 172.18.0.2:80'])
  expect(forwards[0]?.by).toBe('Docker')
})

test('a table of iptables-legacy cannot be read, and that is said', () => {
  const [program = '', ...rule] = [
    'iptables-legacy',
    '-t',
    'nat',
    '-A',
    'PREROUTING',
    '-p',
    'tcp',
    '--dport',
    '80',
    '-j',
    'REDIRECT',
  ]
  // A kernel may have been built without the old tables; then there is nothing to be said.
  const { status } = spawnSync(program, rule)
  expect(others()).toMatchObject({ forwards: [], legacy: status === 0 })
  if (status === 0) run(program, '-t', 'nat', '-F')
})

test('our own tables are none of them, and a machine without any has none', () => {
  load(
    'nft',
    'table inet drawbridge { chain prerouting { type nat hook prerouting priority -105; tcp dport 80 redirect\n}\n}\n',
    '-f',
    '-',
  )
  expect(others()).toMatchObject({ forwards: [], cutShort: false })
})

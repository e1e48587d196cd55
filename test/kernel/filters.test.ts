/** Rules of other programs, read from the kernel's own form, and what becomes of packets by them. */
import { describe, expect, test } from 'vitest'
import { run } from './network.ts'
import { fates, load, startRules, under } from './rules.ts'

startRules()

test.each([
  ['tcp dport 22 accept', ['22 from anywhere: open']],
  ['tcp dport { 22, 80-90 } accept', ['22,80-90 from anywhere: open']],
  ['tcp dport != 22 accept', ['1-21,23-65535 from anywhere: open']],
  ['tcp dport >= 60000 accept', ['60000-65535 from anywhere: open']],
  ['udp dport 53 accept', []],
  ['meta l4proto { tcp, udp } th dport 53 accept', ['53 from anywhere: open']],
  ['ip protocol tcp accept', ['1-65535 from anywhere: open']],
  ['ip saddr 198.51.100.0/24 tcp dport 22 accept', ['22 from 198.51.100.0/24: open']],
  ['ip saddr 198.51.96.0/20 accept', ['1-65535 from 198.51.96.0/20: open']],
  ['ip saddr { 198.51.100.7, 10.0.0.0/8 } accept', ['1-65535 from 10.0.0.0/8, 198.51.100.7: open']],
  ['ip saddr != 198.51.100.0/24 accept', ['1-65535 from anywhere but 198.51.100.0/24: open']],
  ['ip6 saddr 2001:db8::/32 accept', []],
  ['ip daddr 203.0.113.9 tcp dport 80 accept', ['80 at one address from anywhere: open']],
  ['iifname "eth0" tcp dport 80 accept', ['80 from anywhere: open']],
  ['iifname "eth*" tcp dport 80 accept', ['80 from anywhere: open']],
  ['iifname != { "eth0", "lo" } accept', []],
  ['iif eth1 accept', []],
  ['iif eth0 tcp dport 81 accept', ['81 from anywhere: open']],
  ['ct state new tcp dport 80 accept', ['80 from anywhere: open']],
  ['ct state established,related accept', []],
  ['ct state { new, untracked } tcp dport 80 accept', ['80 from anywhere: open']],
  ['ct status dnat accept', []],
  ['fib daddr type local tcp dport 80 accept', ['80 from anywhere: open']],
  ['tcp sport 53 tcp dport 80 accept', ['80 from anywhere from port 53: open']],
  ['tcp flags syn tcp dport 80 accept', ['80 from anywhere: open']],
  ['tcp flags & (syn | ack) == (syn | ack) accept', []],
  ['tcp dport 80 limit rate 5/second accept', ['80 from anywhere: open']],
  [
    'ip saddr . tcp dport { 198.51.100.7 . 80, 198.51.100.8 . 81 } accept',
    ['80 from 198.51.100.7: open', '81 from 198.51.100.8: open'],
  ],
  ['meta priority 7 tcp dport 80 accept', ['80 from anywhere: unread']],
  ['meta skuid 0 accept', ['1-65535 from anywhere: unread']],
  ['ip ttl > 200 tcp dport 80 accept', ['80 from anywhere: open']],
  ['tcp option maxseg size 536 tcp dport 80 accept', ['80 from anywhere: open']],
])('%s', (rule, open) => {
  expect(under([rule])).toEqual(open)
})

describe('an order of rules', () => {
  test('the first that takes a packet decides', () => {
    expect(
      under(['tcp dport 80-90 drop', 'ip saddr 198.51.100.7 tcp dport 91 reject', 'tcp dport 80-91 accept']),
    ).toEqual(['91 from anywhere but 198.51.100.7: open'])
  })

  test('a drop that cannot be read for certain closes nothing, and neither does a limit', () => {
    const limited = ['tcp dport 80 limit rate over 1/second drop', 'tcp dport 80 accept']
    expect(under(limited)).toEqual(['80 from anywhere: open'])
    run('nft', 'flush', 'ruleset')
    expect(under(['ip saddr 198.51.100.7 meta priority 7 drop', ...limited])).toEqual([
      '80 from 198.51.100.7: unread',
      '80 from anywhere but 198.51.100.7: open',
    ])
  })

  test('jumps come back, gotos do not, and returns leave', () => {
    const more = 'chain web { tcp dport 80 accept\n tcp dport 81 return\n tcp dport 81-82 accept\n}'
    expect(under(['jump web', 'tcp dport 83 accept'], more)).toEqual([
      '80 from anywhere: open',
      '82 from anywhere: open',
      '83 from anywhere: open',
    ])
    run('nft', 'flush', 'ruleset')
    expect(under(['goto web', 'tcp dport 83 accept'], more)).toEqual([
      '80 from anywhere: open',
      '82 from anywhere: open',
    ])
  })

  test('a jump that may be taken opens what it may open, and closes nothing of the rest', () => {
    const more = 'chain web { tcp dport 80 accept\n drop\n}'
    expect(under(['meta priority 7 jump web', 'tcp dport 81 accept'], more)).toEqual([
      '80 from anywhere: unread',
      '81 from anywhere: unread',
    ])
  })

  test('verdict maps', () => {
    const more = `chain web { ip saddr 198.51.100.7 accept\n}
      map services { type inet_service : verdict; flags interval; elements = { 80 : accept, 81-89 : jump web, 90 : drop }\n}`
    expect(under(['tcp dport vmap @services', 'tcp dport 90 accept'], more)).toEqual([
      '80 from anywhere: open',
      '81-89 from 198.51.100.7: open',
    ])
  })

  test('what stands for all others in a map or a set counts as open', () => {
    const more = 'map rest { type inet_service : verdict; elements = { 80 : drop, * : accept }\n}'
    expect(under(['tcp dport vmap @rest'], more)).toEqual(['1-79,81-65535 from anywhere: unread'])
  })

  test('a drop in any base chain counts, an accept in one of them is none in another', () => {
    load(
      'nft',
      'table inet late { chain in { type filter hook input priority 10; tcp dport 80 drop\n}\n}\n',
      '-f',
      '-',
    )
    expect(under(['tcp dport 80-81 accept'])).toEqual(['81 from anywhere: open'])
    load(
      'nft',
      'table ip raw1 { chain pre { type filter hook prerouting priority raw; tcp dport 81 drop\n}\n}\n',
      '-f',
      '-',
    )
    expect(fates().filter((line) => line.includes('open'))).toEqual([])
  })

  test('a table that sleeps does nothing', () => {
    load(
      'nft',
      'table inet asleep { flags dormant; chain in { type filter hook input priority 0; policy drop; }\n}\n',
      '-f',
      '-',
    )
    expect(fates()).toEqual(['1-65535 from anywhere: open'])
  })

  test('a mark that some rule sets is not known, one that nobody sets is none', () => {
    expect(under(['meta mark 1 accept'])).toEqual([])
    load(
      'nft',
      'table inet marks { chain pre { type filter hook prerouting priority mangle; tcp dport 80 meta mark set 1\n}\n}\n',
      '-f',
      '-',
    )
    expect(fates().filter((line) => !line.endsWith('closed'))).toEqual(['1-65535 from anywhere: unread'])
  })
})

test('each family has its own rules', () => {
  const rules = ['ip6 saddr 2001:db8::/32 tcp dport 80 accept', 'ip6 nexthdr udp udp dport 53 accept']
  expect(under(rules, '', { family: 6 })).toEqual(['80 from 2001:db8::/32: open'])
  expect(fates({ family: 6, protocol: 'udp' }).filter((line) => line.endsWith('open'))).toEqual([
    '53 from anywhere: open',
  ])
})

test('iptables: its ways to say it', () => {
  const rules = [
    '-i lo -j ACCEPT',
    '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-m conntrack --ctstate INVALID -j DROP',
    '-p tcp -m multiport --dports 25,110,1000:2000 -m comment --comment x -j ACCEPT',
    '-p tcp -m conntrack --ctstate NEW -m tcp --dport 80 -j ACCEPT',
    '-p tcp -m tcp --syn --dport 81 -j ACCEPT',
    '-p tcp -m iprange --src-range 198.51.100.4-198.51.100.7 --dport 82 -j ACCEPT',
    '-s 198.51.100.0/24 ! -i eth1 -p tcp --dport 83 -j ACCEPT',
    '-p tcp --dport 84 -m limit --limit 3/min -j ACCEPT',
    '-p tcp --dport 85 -m recent --name x --rcheck -j ACCEPT',
    '-p tcp --dport 86 -m addrtype --dst-type LOCAL -j ACCEPT',
    '-p tcp --dport 87 -m addrtype ! --dst-type LOCAL -j ACCEPT',
    '-p tcp --dport 88 -m mark --mark 0x1/0xff -j ACCEPT',
    '-m limit --limit 3/min -j LOG',
    '-p tcp --dport 89 -j NFLOG',
    '-p tcp --dport 90:91 --sport 1024:65535 -j ACCEPT',
    '-p udp --dport 53 -j ACCEPT',
    '-j REJECT',
  ]
  load(
    'iptables-nft-restore',
    ['*filter', ...rules.map((rule) => `-A INPUT ${rule}`), 'COMMIT', ''].join('\n'),
  )
  expect(fates().filter((line) => !line.endsWith('closed'))).toEqual([
    '25,110,1000-2000 from anywhere: open',
    '80 from anywhere: open',
    '81 from anywhere: open',
    '82 from 198.51.100.4/30: open',
    '83 from 198.51.100.0/24: open',
    '84 from anywhere: open',
    '85 from anywhere: unread',
    '86 from anywhere: open',
    '90-91 from anywhere from port 1024-65535: open',
  ])
})

test('destination NAT: where it leads, and what the forward hook says of it', () => {
  load(
    'nft',
    `table ip hand {
      chain pre { type nat hook prerouting priority dstnat
        tcp dport 80 dnat to 10.0.0.5:8080
        tcp dport 81 dnat to 10.0.0.5:81
        ip saddr 198.51.100.7 tcp dport 82 redirect to :8082
        tcp dport 83 dnat to 203.0.113.9
      }
      chain onward { type filter hook forward priority filter; policy drop
        ct state established accept
        oifname "eth1" tcp dport 8080 ct status dnat accept
      }
      chain in { type filter hook input priority filter
        tcp dport { 82, 83 } drop
      }
    }\n`,
    '-f',
    '-',
  )
  expect(fates().filter((line) => line.includes('->') || line.endsWith('closed'))).toEqual([
    '80 from anywhere -> 10.0.0.5: open',
    '81 from anywhere -> 10.0.0.5: closed',
    '82 from 198.51.100.7 -> here: open',
    '82 from anywhere but 198.51.100.7: closed',
    '83 from anywhere -> 203.0.113.9: closed',
  ])
})

/** Rules that stand before, beside and behind those of IP, and packets of other protocols. */
import { describe, expect, test } from 'vitest'
import { everyOf } from '../../src/model/exposure/ranges.ts'
import { run } from './network.ts'
import { fates, load, startRules, under } from './rules.ts'

startRules()

describe('what stands before and beside the tables of IP', () => {
  const path = { interface: 'eth0', devices: [{ name: 'eth0', type: 1, isPort: false, isTagged: false }] }

  test('a chain at ingress of a device, in netdev and in inet, and none of another device', () => {
    const chain = (device: string) => `type filter hook ingress device ${device} priority 0`
    load(
      'nft',
      `table netdev early { chain in { ${chain('eth0')}
        tcp dport 80 drop
        ip saddr 198.51.100.0/24 tcp dport 81 drop
        ip6 saddr 2001:db8::/32 drop
        ether type ip udp dport 53 drop
        udp dport 54 fwd to "eth1"
      }
      chain other { ${chain('eth1')}; policy drop
      }
      }
      table inet early { chain in { ${chain('eth0')}
        meta nfproto ipv4 tcp dport 82 drop
      }
      }\n`,
      '-f',
      '-',
    )
    expect(fates()).toEqual([
      '1-79,83-65535 from anywhere: open',
      '80 from anywhere: closed',
      '81 from 198.51.100.0/24: closed',
      '81 from anywhere but 198.51.100.0/24: open',
      '82 from anywhere: closed',
    ])
    expect(fates({ protocol: 'udp' })).toEqual([
      '1-52,55-65535 from anywhere: open',
      '53 from anywhere: closed',
      '54 from anywhere: unread',
    ])
    expect(fates({ family: 6 })).toContain('1-79,81-65535 from 2001:db8::/32: closed')
  })

  test('a bridge that the interface is: its chains see what comes by its ports', () => {
    load(
      'nft',
      `table bridge ports {
        chain in { type filter hook input priority 0
          iifname "eth0" tcp dport 80 drop
          iifname "eth9" tcp dport 81 drop
          meta protocol ip tcp dport 82 drop
          ether type ip6 tcp dport 83 drop
        }
        chain out { type filter hook output priority 0
          tcp sport 84 drop
        }
      }\n`,
      '-f',
      '-',
    )
    expect(fates()).toEqual(['1-65535 from anywhere: open'])
    const [port] = path.devices
    const bridge = { name: 'br0', type: 1, isPort: false, isTagged: false }
    const arrival = { interface: 'br0', devices: port ? [{ ...port, isPort: true }, bridge] : [] }
    expect(fates({ interface: 'br0', arrival }).filter((line) => line.endsWith('closed'))).toEqual([
      '80 from anywhere: closed',
      '82 from anywhere: closed',
      '84 from anywhere: closed',
    ])
  })

  test('who gets no answer has no connection, but a datagram has come all the same', () => {
    load(
      'nft',
      `table netdev late { chain out { type filter hook egress device eth0 priority 0
        th sport 80 drop
      }
      }
      table inet hand { chain out { type filter hook output priority 0; policy drop
        th sport { 81, 53 } drop
        ct state established accept
      }
      }\n`,
      '-f',
      '-',
    )
    expect(fates()).toEqual([
      '1-52,54-79,82-65535 from anywhere: open',
      '53,81 from anywhere: closed',
      '80 from anywhere: closed',
    ])
    expect(fates({ protocol: 'udp' })).toEqual(['1-65535 from anywhere: open'])
  })

  test('rules on the way back of a source: what comes by another interface than its answers leave by', () => {
    const inside = { first: 0x0a000000n, last: 0x0a0000ffn }
    const outside = [
      { first: 0n, last: inside.first - 1n },
      { first: inside.last + 1n, last: 0xffffffffn },
    ]
    const returns = { returns: outside, routed: everyOf(32) }
    const rule = (text: string) =>
      `table inet strict { chain pre { type filter hook prerouting priority raw\n${text}\n}\n}\n`
    for (const text of ['fib saddr . iif oif missing drop', 'fib saddr . mark . iif oif 0 drop']) {
      load('nft', rule(text), '-f', '-')
      expect(fates({ returns })).toEqual([
        '1-65535 from 10.0.0.0/24: closed',
        '1-65535 from anywhere but 10.0.0.0/24: open',
      ])
      run('nft', 'flush', 'ruleset')
    }
    load('nft', rule('fib saddr oif missing drop'), '-f', '-')
    expect(fates({ returns })).toEqual(['1-65535 from anywhere: open'])
    expect(fates()).toEqual(['1-65535 from anywhere: unread'])
    run('nft', 'flush', 'ruleset')
    load('iptables-nft-restore', '*raw\n-A PREROUTING -m rpfilter --invert -j DROP\nCOMMIT\n')
    expect(fates({ returns })).toContain('1-65535 from 10.0.0.0/24: closed')
  })
})

test('ping: by type, and never by what is said of ports', () => {
  const rules = [
    'tcp dport 80 accept',
    'icmp type echo-request ip saddr 198.51.100.0/24 accept',
    'icmp type 13 accept',
  ]
  expect(under(rules, '', { protocol: 'icmp' })).toEqual(['1-65535 from 198.51.100.0/24: open'])
  run('nft', 'flush', 'ruleset')
  const six = ['icmpv6 type { nd-neighbor-solicit, echo-request } accept']
  expect(under(six, '', { protocol: 'icmp', family: 6 })).toEqual(['1-65535 from anywhere: open'])
  run('nft', 'flush', 'ruleset')
  const rest = ['-p icmp --icmp-type 13 -j ACCEPT', '-p icmp --icmp-type 8 -j ACCEPT', '-j DROP']
  load(
    'iptables-nft-restore',
    ['*filter', ...rest.map((rule) => `-A INPUT ${rule}`), 'COMMIT', ''].join('\n'),
  )
  expect(fates({ protocol: 'icmp' })).toEqual(['1-65535 from anywhere: open'])
})

test('other protocols by their number', () => {
  expect(
    under(['ip protocol 89 accept', 'meta l4proto 47 ip saddr 198.51.100.7 accept'], '', {
      protocol: 'protocol 47',
    }),
  ).toEqual(['1-65535 from 198.51.100.7: open'])
})

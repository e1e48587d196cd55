/** Forwards of every kind that work, in surroundings that look like trouble and are none: the doctor finds nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { sh } from './scene.ts'

let lab: Lab
let drawbridge: Drawbridge
let looked = 0
const alarms: string[] = []

interface Kind {
  readonly name: string
  readonly listen: string
  readonly to: string | readonly string[]
  readonly more?: object
  /** The address, the port and the protocol by which it is asked; left out: the first of the opening. */
  readonly asks?: { readonly address?: string; readonly port?: number; readonly protocol?: 'udp' }
}

const [server, server6, other] = ['10.0.0.5', '[fd00::5]', '10.0.0.6']
const kinds: readonly Kind[] = [
  { name: 'tcp', listen: 'tcp/9001', to: `${server}:80` },
  { name: 'udp', listen: 'udp/9002', to: `${server}:80`, asks: { protocol: 'udp' } },
  { name: 'both', listen: 'tcp+udp/9003', to: `${server}:80` },
  { name: 'address', listen: 'tcp/9004@203.0.113.9', to: `${server}:80`, asks: { address: '203.0.113.9' } },
  { name: 'interface', listen: 'tcp/9005%out0', to: `${server}:80` },
  { name: 'six', listen: 'tcp/9006', to: `${server6}:80`, asks: { address: '2001:db8:1::1' } },
  { name: 'dual', listen: 'tcp/9007', to: [`${server}:80`, `${server6}:80`] },
  { name: 'pool', listen: 'tcp/9008', to: [`${server}:80`, `${other}:80`] },
  { name: 'by-source', listen: 'tcp/9009', to: [`${server}:80`, `${other}:80`], more: { balance: 'source' } },
  { name: 'masquerade', listen: 'tcp/9010', to: `${server}:80`, more: { source_nat: 'masquerade' } },
  { name: 'preserve', listen: 'tcp/9011', to: `${server}:80`, more: { source_nat: 'preserve' } },
  { name: 'sources', listen: 'tcp/9012', to: `${server}:80`, more: { from: ['203.0.113.0/24'] } },
  { name: 'list', listen: 'tcp/9013', to: `${server}:80`, more: { from: ['office'] } },
  {
    name: 'limits',
    listen: 'tcp/9014',
    to: `${server}:80`,
    more: { limits: { new_per_source: '100/s', open_per_source: 200 } },
  },
  { name: 'range', listen: 'tcp/9020-9024', to: `${server}:9020-9024` },
  { name: 'many-to-one', listen: 'tcp/9030,9031', to: `${server}:=80`, asks: { port: 9031 } },
  { name: 'quiet', listen: 'tcp/9015', to: `${server}:88` },
  { name: 'routed', listen: 'tcp/9016', to: '10.9.0.5:80' },
  { name: 'own', listen: 'tcp/5432', to: 'self' },
]

interface Surroundings {
  readonly name: string
  readonly begin: string
  readonly end: string
  readonly sampled?: true
}

const nft = (rules: string) => `nft -f - <<'END'\ntable inet beside { ${rules}\n}\nEND`
const gone = 'nft delete table inet beside'

const surroundings: readonly Surroundings[] = [
  { name: 'nothing beside', begin: 'true', end: 'true', sampled: true },
  {
    name: 'rules for others',
    begin: nft(
      'set bad { type ipv4_addr; elements = { 198.18.0.1, 203.0.113.66 }\n}\nchain p { type filter hook prerouting priority -300; ip saddr @bad drop; tcp dport 8080 drop\n}\nchain f { type filter hook forward priority 0; tcp dport 3306 drop; ip daddr 10.0.0.77 reject\n}',
    ),
    end: gone,
    sampled: true,
  },
  {
    name: 'a forward policy of drop that admits what is translated',
    begin: nft(
      'chain f { type filter hook forward priority 0; policy drop; ct state established,related accept; ct status dnat accept\n}',
    ),
    end: gone,
  },
  {
    name: 'an input policy of drop, as of a host',
    begin: nft(
      'chain i { type filter hook input priority 0; policy drop; ct state established,related accept; iifname "lo" accept; meta l4proto { icmp, ipv6-icmp } accept; tcp dport { 22, 5432 } accept\n}',
    ),
    end: gone,
  },
  {
    name: 'this machine may not ask the inside itself',
    begin: nft(
      'chain o { type filter hook output priority 0; oifname "in0" ct state new tcp dport 1-65535 drop\n}',
    ),
    end: gone,
    sampled: true,
  },
  {
    name: 'pings are dropped everywhere, and this machine may send none',
    begin: `sysctl -qw net.ipv4.ping_group_range='1 0'; ${nft('chain f { type filter hook forward priority 0; icmp type echo-request drop\n}')}`,
    end: `sysctl -qw net.ipv4.ping_group_range='0 2147483647'; ${gone}`,
  },
  {
    name: 'a strict rp_filter',
    begin:
      'sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.out0.rp_filter=1 net.ipv4.conf.in0.rp_filter=1',
    end: 'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.out0.rp_filter=0 net.ipv4.conf.in0.rp_filter=0',
  },
  {
    name: 'routes of many kinds, and interfaces that are down or loose',
    begin:
      'ip link add loose type veth peer name end; ip link set loose up; ip link add tired type veth peer name rest; ip route add blackhole 10.77.0.0/16; ip route add unreachable 192.0.2.0/24; ip route add default via 203.0.113.3 metric 900; ip rule add from 10.0.0.0/24 lookup 77; ip route add default via 203.0.113.2 table 77',
    end: 'ip rule del from 10.0.0.0/24 lookup 77; ip route flush table 77; ip route del default via 203.0.113.3; ip route del unreachable 192.0.2.0/24; ip route del blackhole 10.77.0.0/16; ip link del tired; ip link del loose',
  },
  {
    name: 'destination NAT of others, for other ports and behind ours',
    begin: nft(
      'chain p { type nat hook prerouting priority -100; tcp dport 7777 dnat ip to 10.0.0.6:81; tcp dport 9001 dnat ip to 10.0.0.6:81\n}',
    ),
    end: gone,
  },
]

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  const { gateway } = lab
  for (const host of [lab.server, lab.other]) {
    for (const protocol of ['tcp', 'udp'] as const) await host.answers(protocol, 80)
  }
  await lab.server.answers('tcp', '9020-9024')
  await gateway.answers('tcp', 5432)
  // Speaks when it is spoken to, as a web server does.
  const quiet =
    "require('net').createServer((s) => s.on('error', () => {}).on('data', (d) => s.write('server 88 x 1\\n'))).listen(88, () => console.log('ready'))"
  await lab.server.spawn(process.execPath, ['-e', quiet]).says(/ready/)
  await sh(lab.server, 'ip address replace 10.9.0.5/32 dev lo')
  await sh(
    gateway,
    "ip route replace 10.9.0.0/16 via 10.0.0.5; sysctl -qw net.ipv4.ping_group_range='0 2147483647'",
  )
  await drawbridge.api.apply({
    gateway: {
      version: 1,
      lists: { office: ['203.0.113.2', '2001:db8:1::/64'] },
      forwards: kinds.map(({ name, listen, to, more }) => ({
        name,
        listen,
        to: typeof to === 'string' ? to : [...to],
        ...more,
      })),
    },
  })
})
afterAll(async () => {
  console.log(
    `healthy variants: ${looked}, false alarms: ${alarms.length}${alarms.map((one) => `\n  ${one}`).join('')}`,
  )
  await lab?.close()
})

const firstPort = ({ listen }: Kind) => Number(/\/(\d+)/.exec(listen)?.[1])

async function everybodyIsServed(): Promise<void> {
  const answers = await Promise.all(
    kinds.map(async (kind) => {
      const { address = lab.gateway.outside, port = firstPort(kind), protocol = 'tcp' } = kind.asks ?? {}
      const spoken = kind.name === 'quiet'
      const asked = spoken
        ? lab.client.exchanges(address, port, 'hello\n', { timeout: 3000 }).catch((error: Error) => {
            // It answers and keeps the connection: only a refusal is a failure.
            if (/refused|unreachable/.test(error.message)) throw error
          })
        : lab.client.asks(address, port, { protocol, timeout: 3000 })
      return asked.then(
        () => '',
        (error: Error) => `${kind.name}: ${error.message}`,
      )
    }),
  )
  expect(answers.filter((one) => one !== '')).toEqual([])
}

const chosen = surroundings.filter(({ sampled }) => sampled || process.env.DRAWBRIDGE_LONG)

describe.each(chosen)('$name', ({ name, begin, end }) => {
  test('the doctor finds nothing', { timeout: 120_000 }, async () => {
    await sh(lab.gateway, begin)
    try {
      await everybodyIsServed()
      const page = await drawbridge.api.doctor({})
      expect(page.forwards.map((one) => one.name)).toEqual(kinds.map((one) => one.name))
      looked += page.forwards.length
      const found = page.forwards.flatMap(({ name: forward, headline, others }) =>
        [headline, ...others.filter(({ severity }) => severity !== 'note')].flatMap((one) =>
          one ? [`${name}, ${forward}: ${one.code}: ${one.evidence}`] : [],
        ),
      )
      alarms.push(...found)
      expect(found).toEqual([])
    } finally {
      await sh(lab.gateway, end)
    }
  })
})

test('for clients from anywhere, and whatever they say', { timeout: 60_000 }, async () => {
  const words = [
    'connection timed out',
    'connection refused',
    'no route to host',
    'slow',
    'TLS handshake failed',
  ]
  for (const [at, from] of [
    '203.0.113.2',
    '203.0.113.4',
    '2001:db8:1::3',
    '10.0.0.6',
    '198.51.100.77',
  ].entries()) {
    const page = await drawbridge.api.doctor({
      name: from.includes(':') ? 'six' : 'tcp',
      from,
      symptom: words[at],
    })
    looked += 1
    const code = page.headline ? [`${from}: ${page.headline.code}: ${page.headline.evidence}`] : []
    alarms.push(...code)
    expect(code).toEqual([])
  }
})

/** Whole gateways, each for one thing that the ruleset has to say. Written as an operator writes them. */
import type { Family } from '../../src/model/address.ts'

export interface Golden {
  readonly gateway: unknown
  /** Families that the machine did not forward before. */
  readonly shield?: readonly Family[]
  /** Whom other programs have banned. */
  readonly bans?: readonly string[]
  /** What names stand for. */
  readonly whereabouts?: Readonly<Record<string, readonly string[]>>
}

export const golden: Readonly<Record<string, Golden>> = {
  empty: { gateway: { version: 1 } },

  'simple-tcp': {
    gateway: {
      version: 1,
      forwards: [
        'tcp/8443 -> 10.0.0.5:443',
        { name: 'off', listen: 'tcp/22', to: '10.0.0.6', enabled: false },
      ],
    },
  },

  'dual-stack-ranges': {
    gateway: {
      version: 1,
      forwards: [
        { name: 'games', listen: 'udp/20000-20003', to: ['10.0.0.9:10000', '[fd00::9]'] },
        { name: 'web', listen: 'tcp/80,443@203.0.113.5', to: '10.0.0.5' },
        { name: 'web6', listen: 'tcp/80,443@2001:db8::5', to: '[fd00::5]:=8080' },
        { name: 'dns', listen: 'tcp+udp/53@203.0.113.5', to: { host: '10.0.0.53', port: 5353 } },
      ],
    },
  },

  'sources-and-lists': {
    gateway: {
      version: 1,
      lists: { office: ['198.51.100.0/24', '2001:db8:7::/48'], empty: [] },
      forwards: [
        {
          name: 'postgres',
          listen: 'tcp/5432',
          to: ['10.0.0.5', 'fd00::5'],
          from: ['office', '203.0.113.7', '10.0.0.0/8', 'fd00::7'],
        },
        { name: 'closed', listen: 'tcp/5433', to: '10.0.0.5', from: 'empty' },
        { name: 'everywhere', listen: 'tcp/5434', to: ['10.0.0.5', 'fd00::5'], from: ['0.0.0.0/0', '::/0'] },
        { name: 'open', listen: 'tcp/5435', to: '10.0.0.5' },
      ],
    },
  },

  pools: {
    gateway: {
      version: 1,
      forwards: [
        {
          name: 'web',
          listen: 'tcp/80,443',
          to: [{ host: '10.0.0.11', weight: 2 }, '10.0.0.12', '[fd00::12]'],
        },
        { name: 'turn', listen: 'udp/53', to: ['10.0.0.1:5353', '10.0.0.2:5353'], balance: 'round-robin' },
        {
          name: 'gone',
          listen: 'tcp/81',
          to: [{ host: '10.0.0.1', drain: true }, 'fd00::1', 'fd00::2'],
        },
        { name: 'named', listen: 'tcp/82', to: 'app.example.org:80' },
        { name: 'unknown', listen: 'tcp/83', to: 'container:web:80' },
        { name: 'ssh', listen: 'tcp/22', to: 'self', from: '198.51.100.0/24' },
      ],
    },
    whereabouts: { 'app.example.org': ['10.0.0.7', '10.0.0.8', 'fd00::7'] },
  },

  limits: {
    gateway: {
      version: 1,
      forwards: [
        { name: 'ssh', listen: 'tcp/2222', to: '10.0.0.5:22', limits: { new_per_source: '3/m' } },
        {
          name: 'web',
          listen: 'tcp/8080',
          to: ['10.0.0.5:80', '[fd00::5]:80'],
          limits: { new_per_source: '30/s', open_per_source: 200 },
        },
        { name: 'api', listen: 'tcp/8081', to: '10.0.0.5:81', limits: { new_per_source: '30/s' } },
        {
          name: 'mail',
          listen: 'tcp/2525',
          to: '10.0.0.5:25',
          limits: { new_per_source: '9999999/h', open_per_source: 1000000 },
        },
      ],
    },
  },

  'source-nat': {
    gateway: {
      version: 1,
      mark: '0x00000001/0x000000ff',
      forwards: [
        { name: 'auto', listen: 'tcp/8001', to: '10.0.0.5:80' },
        { name: 'kept', listen: 'tcp/8002', to: '10.0.0.5:80', source_nat: 'preserve' },
        { name: 'hidden', listen: 'tcp/8003', to: ['10.0.0.5:80', '[fd00::5]:80'], source_nat: 'masquerade' },
        { name: 'fixed', listen: 'tcp/8004', to: '10.0.0.5:80', source_nat: '10.0.0.1' },
        { name: 'fixed6', listen: 'tcp/8004', to: '[fd00::5]:80', source_nat: 'fd00::1' },
      ],
    },
  },

  icmp: {
    gateway: {
      version: 1,
      forwards: [
        'icmp@203.0.113.5 -> 10.0.0.5',
        { listen: 'icmp@2001:db8::5', to: 'fd00::5', from: '2001:db8::/32' },
      ],
    },
  },

  interface: {
    gateway: {
      version: 1,
      forwards: ['tcp/8080%eth0 -> 10.0.0.5:80, [fd00::5]:80', 'tcp/8080%wan-1.7 -> 10.0.0.6:80'],
    },
  },

  shield: {
    gateway: { version: 1, mark: '0xffffffff/0xffffffff', forwards: ['tcp/8443 -> 10.0.0.5:443'] },
    shield: [4, 6],
  },

  bans: {
    gateway: {
      version: 1,
      forwards: [{ name: 'web', listen: 'tcp/8443', to: '10.0.0.5:443', from: '198.51.100.0/24' }],
    },
    bans: ['198.51.100.9', '203.0.113.0/24', '203.0.112.0/22', '2001:db8::9', '2001:db8:7::/48'],
  },
}

/** What the doctor may find about a forward: a title, the measured evidence in a sentence, what to do, and the exact command. */
import type { Facts } from './entry.ts'
import { words } from './finding-words.ts'
import { machine, probed, target, way } from './findings-beyond.ts'

const own = {
  gone: words<{ name: string; when: string; how: string }>({
    title: 'the forward is not there any more',
    says: ({ name, when, how }) => `${name} was ${how} at ${when}`,
    remedy: () => 'Open it again; what it was stands in: drawbridge history.',
  }),
  disabled: words<{ name: string }>({
    title: 'the forward is switched off',
    says: ({ name }) => `${name} is switched off: its packets go to this machine itself`,
    remedy: () => 'Switch it on.',
    command: ({ name }) => `drawbridge enable ${name}`,
  }),
  locked: words<Facts>({
    title: 'the lockdown keeps every forward shut',
    says: () => 'a lockdown is on: no forward takes a connection',
    remedy: () => 'Lift it when the danger is over.',
    command: () => 'drawbridge lockdown --lift',
  }),
  'agent-away': words<Facts>({
    title: 'the privileged process does not answer',
    says: () =>
      'the agent does not answer: what is in the kernel is not looked after, and nothing of it could be measured',
    remedy: () => 'Look at what it last said, and start it again.',
    command: () => 'drawbridge up',
  }),
  'not-in-force': words<{ why: string; remedy: string }>({
    title: 'what is wanted is not in the kernel',
    says: ({ why }) => why,
    remedy: ({ remedy }) => remedy,
  }),
  'nobody-admitted': words<{ name: string }>({
    title: 'its sources admit nobody',
    says: ({ name }) => `the sources of ${name} are empty: every packet is dropped and counted as refused`,
    remedy: () => 'Name who may connect: an address, a prefix or a list with entries.',
  }),
  'source-refused': words<{ client: string; sources: string; refused: number }>({
    title: 'the client is not among the sources of the forward',
    says: ({ client, sources, refused }) =>
      `${client} is not admitted: the forward takes connections ${sources} (${refused} packets refused so far)`,
    remedy: ({ client }) => `Add ${client} to its sources, or to a list that it names.`,
  }),
  'family-missing': words<{ client: string; family: number; other: number }>({
    title: 'the forward does not serve the family of the client',
    says: ({ client, family, other }) =>
      `${client} comes by IPv${family}, and the forward has targets of IPv${other} only: its packets go to this machine itself`,
    remedy: ({ family }) =>
      `Give the forward an IPv${family} target, or take the IPv${family} address out of DNS.`,
  }),
  'listen-address-missing': words<{ address: string; addresses: string }>({
    title: 'this machine does not have the address that the forward listens on',
    says: ({ address, addresses }) => `${address} is on no interface here; there are ${addresses}`,
    remedy: () => 'Give the address to an interface, or have the forward listen on one that is there.',
  }),
  'listen-interface-missing': words<{ name: string; links: string }>({
    title: 'the interface that the forward listens on is not there',
    says: ({ name, links }) => `there is no interface ${name}; there are ${links}: it may have been renamed`,
    remedy: () => 'Have the forward listen on the name that the interface has now.',
  }),
  'listen-interface-down': words<{ name: string }>({
    title: 'the interface that clients come by is down',
    says: ({ name }) => `interface ${name} is down`,
    remedy: ({ name }) => `Set ${name} up.`,
    command: ({ name }) => `ip link set ${name} up`,
  }),
  'listen-no-carrier': words<{ name: string }>({
    title: 'the interface that clients come by has no carrier',
    says: ({ name }) => `interface ${name} is up, but nothing is connected to it`,
    remedy: () => 'Look at its cable, its switch or the other end.',
  }),
  'taken-before': words<{ rule: string }>({
    title: 'another program forwards these packets first',
    says: ({ rule }) => rule,
    remedy: () => 'Take that rule away, or have the forward listen on another port.',
  }),
} as const

const refusals = {
  banned: words<{ ban: string; address: string; command: string }>({
    title: 'the client is banned',
    says: ({ ban }) => ban,
    remedy: ({ address }) => `If ${address} is no attacker, lift the ban by the program that made it.`,
    command: ({ command }) => command,
  }),
  blocked: words<{ rule: string; remedy: string; command: string }>({
    title: 'a firewall rule of this machine drops the packets',
    says: ({ rule }) => rule,
    remedy: ({ remedy }) => remedy,
    command: ({ command }) => command,
  }),
  'answer-blocked': words<{ rule: string; remedy: string; command: string }>({
    title: 'a firewall rule of this machine drops the answers',
    says: ({ rule }) => rule,
    remedy: ({ remedy }) => remedy,
    command: ({ command }) => command,
  }),
  limited: words<{ limits: string; now: number; all: number }>({
    title: 'the limits of the forward refuse connections',
    says: ({ limits, now, all }) =>
      `${limits}; ${now} packets were beyond it while this was looked at, ${all} since the forward was last changed`,
    remedy: () => 'Raise the limit if these clients are honest, or leave it: it does what it is for.',
  }),
} as const

const kernel = {
  'forwarding-off': words<{ family: number; interface: string; key: string }>({
    title: 'the kernel does not forward packets',
    says: ({ family, key }) => `${key} is 0: no packet of IPv${family} is sent on to another machine`,
    remedy: () =>
      'Switch it on, and look who has switched it off (a file in /etc/sysctl.d, another program).',
    command: ({ key }) => `sysctl -w ${key}=1`,
  }),
  'reverse-path': words<{ interface: string; by: string; client: string; drops: number; mode: number }>({
    title: 'the kernel drops packets whose answer would leave by another interface (rp_filter)',
    says: ({ interface: name, by, client, drops, mode }) =>
      `packets come by ${name}, where rp_filter is ${mode === 1 ? 'strict' : 'loose'}; answers to ${client} would leave by ${by} (${drops} dropped while this was looked at)`,
    remedy: () => 'Have the answers leave where the packets come, or set rp_filter to loose.',
    command: ({ interface: name }) =>
      `sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.${name}.rp_filter=2`,
  }),
  'tracking-full': words<{ tracked: number; most: number; lost: number }>({
    title: 'the table of tracked connections is full',
    says: ({ tracked, most, lost }) =>
      `${tracked} of at most ${most} connections are tracked; ${lost} were lost while this was looked at`,
    remedy: () => 'Make the table larger; each connection takes some 320 bytes. Look who makes so many.',
    command: ({ most }) => `sysctl -w net.netfilter.nf_conntrack_max=${most * 2}`,
  }),
  'tracking-nearly-full': words<{ tracked: number; most: number }>({
    title: 'the table of tracked connections is nearly full',
    says: ({ tracked, most }) =>
      `${tracked} of at most ${most} connections are tracked; new ones are dropped when it is full`,
    remedy: () => 'Make the table larger before it fills.',
    command: ({ most }) => `sysctl -w net.netfilter.nf_conntrack_max=${most * 2}`,
  }),
  'tracking-hash-small': words<{ tracked: number; buckets: number; wanted: number }>({
    title: 'the hash of tracked connections is small for their number',
    says: ({ tracked, buckets }) =>
      `${tracked} connections lie in ${buckets} buckets: each packet walks a long list`,
    remedy: () => 'Give it more buckets.',
    command: ({ wanted }) => `sysctl -w net.netfilter.nf_conntrack_buckets=${wanted}`,
  }),
  'source-ports-exhausted': words<{ count: number; to: string; by: string; ports: number }>({
    title: 'the source ports towards the target are used up',
    says: ({ count, to, by, ports }) =>
      `${count} connections are masqueraded as ${by} to ${to}, and there are ${ports} ports for them`,
    remedy: () =>
      'Keep the addresses of clients (source_nat: preserve) and give the target its way back through this machine, or use several targets.',
  }),
} as const

export const findings = { ...own, ...refusals, ...kernel, ...way, ...target, ...probed, ...machine } as const

/** What the doctor may find on the way to the target, at the target and on this machine. */
import { type At, words } from './finding-words.ts'

export const way = {
  'no-target': words<{ name: string; named: string }>({
    title: 'the forward has no target now',
    says: ({ named }) => `nothing is known by the name ${named}: new connections are refused`,
    remedy: () => 'Start what it names, or correct the name.',
  }),
  'no-target-takes': words<{ draining: number; down: number }>({
    title: 'no target takes new connections',
    says: ({ draining, down }) =>
      `${draining} targets are draining and ${down} are down: new connections are refused`,
    remedy: () => 'Have one of them take connections again.',
  }),
  'no-route': words<At & { kind: string; command: string }>({
    title: 'there is no route to the target',
    says: ({ address, kind }) =>
      kind === 'none'
        ? `no route leads to ${address}`
        : `a route says that ${address} is not to be reached (${kind})`,
    remedy: ({ kind }) =>
      kind === 'none'
        ? 'Add a route to its network, or mend the interface that had one.'
        : 'Take that route away.',
    command: ({ command }) => command,
  }),
  'link-down': words<At & { by: string }>({
    title: 'the interface towards the target is down',
    says: ({ at, by }) => `${at} is reached by ${by}, which is down`,
    remedy: ({ by }) => `Set ${by} up.`,
    command: ({ by }) => `ip link set ${by} up`,
  }),
  'no-carrier': words<At & { by: string }>({
    title: 'nothing is connected to the interface towards the target',
    says: ({ at, by }) => `${at} is reached by ${by}, which has no carrier`,
    remedy: () => 'Look at its cable, its switch or the other end.',
  }),
  'wrong-route': words<At & { by: string; via: string }>({
    title: 'the target is looked for in the direction of the outside',
    says: ({ address, by, via }) =>
      `no route but the default one leads to ${address}: it is looked for behind ${via === '' ? by : `${via} on ${by}`}, and does not answer there`,
    remedy: () => 'Add a route to its network.',
    command: () => '',
  }),
  'no-neighbour': words<At & { by: string; asks: string; who: string }>({
    title: 'nobody on the target’s network has its address',
    says: ({ by, asks, who }) =>
      `nobody on ${by} answers ${asks} for ${who}: it is switched off, unplugged, or in another VLAN`,
    remedy: () => 'Start the host, or correct the address of the target.',
  }),
  'neighbour-fixed': words<At & { by: string; via: string; command: string }>({
    title: 'the hardware address of the target is written down by hand, and nobody answers there',
    says: ({ by, via }) =>
      `the entry for ${via} on ${by} is permanent: it is never asked who has the address now`,
    remedy: () => 'Take the entry away; the kernel then asks the network.',
    command: ({ command }) => command,
  }),
  'path-too-narrow': words<At & { fits: number; link: number; by: string }>({
    title: 'large packets to the target are lost on the way',
    says: ({ at, fits, link, by }) =>
      `packets of ${fits} bytes come through to ${at}, larger ones are lost without a word, and ${by} sends up to ${link}`,
    remedy: ({ fits }) =>
      `Let the way carry them, or have both ends send no more than ${fits} bytes: on this machine by`,
    command: ({ fits, by }) => `ip link set ${by} mtu ${fits}`,
  }),
  loss: words<At & { lost: number; sent: number; what: string }>({
    title: 'packets to the target are lost',
    says: ({ at, lost, sent, what }) => `${lost} of ${sent} ${what} to ${at} were lost`,
    remedy: () => 'Look at the network between: a bad cable, a full link, a rule that drops at random.',
  }),
  slow: words<At & { milliseconds: number }>({
    title: 'the target answers slowly',
    says: ({ at, milliseconds }) => `half of the connections to ${at} took more than ${milliseconds} ms`,
    remedy: () => 'Look at the load of the target and of the network between.',
  }),
} as const

export const target = {
  'other-protocol': words<At & { asked: string; there: string }>({
    title: 'the target listens for the other protocol',
    says: ({ at, asked, there }) => `nothing takes ${asked} at ${at}, but its ${there} port is open`,
    remedy: ({ there }) => `Forward ${there} instead, or have the service take both.`,
  }),
  'nothing-listens': words<At & { answers: string }>({
    title: 'nothing listens at the target',
    says: ({ at, answers }) => `${at} refuses: ${answers}`,
    remedy: () => 'Start the service there, or correct the port. It must not listen on 127.0.0.1 alone.',
  }),
  'target-rejects': words<At>({
    title: 'a firewall at or before the target refuses the packets',
    says: ({ at }) =>
      `${at} cannot be reached: a router on the way or the target's own firewall says so by ICMP`,
    remedy: () => 'Admit this machine there.',
  }),
  'target-silent': words<At & { there: string }>({
    title: 'the target does not answer',
    says: ({ at, there }) =>
      `${at} is silent, though ${there}: its firewall drops the packets, or its service takes no connection`,
    remedy: () => 'Look at the firewall and the service of the target.',
  }),
  'accepts-and-closes': words<At & { how: string }>({
    title: 'the target takes connections and ends them at once',
    says: ({ at, how }) => `${at} takes the connection and ${how} it before anything was said`,
    remedy: () => 'Look at the log of the service: it may refuse this address, or fail inside.',
  }),
  'own-not-listening': words<{ port: number; protocol: string }>({
    title: 'nothing listens on this machine',
    says: ({ port, protocol }) => `no program of this machine takes ${protocol} port ${port}`,
    remedy: () => 'Start the service.',
  }),
  'own-loopback-only': words<{ port: number; protocol: string; address: string }>({
    title: 'the service listens on the loopback address alone',
    says: ({ port, protocol, address }) =>
      `the service on ${protocol} port ${port} listens on ${address} alone, where nobody from elsewhere comes`,
    remedy: () => 'Have it listen on all addresses, or on the one that the forward is for.',
  }),
  'own-other-protocol': words<{ port: number; asked: string; there: string }>({
    title: 'the service listens for the other protocol',
    says: ({ port, asked, there }) =>
      `no program of this machine takes ${asked} port ${port}, but one takes ${there}`,
    remedy: ({ there }) => `Open ${there} instead.`,
  }),
  'own-other-address': words<{ port: number; protocol: string; address: string; wanted: string }>({
    title: 'the service listens on another address',
    says: ({ port, protocol, address, wanted }) =>
      `the service on ${protocol} port ${port} listens on ${address} alone, and the forward is for ${wanted}`,
    remedy: () => 'Have it listen there too.',
  }),
  'listen-overflows': words<{ count: number }>({
    title: 'a service of this machine does not take its connections fast enough',
    says: ({ count }) =>
      `${count} connections were dropped at a full queue of a listening socket while this was looked at`,
    remedy: () =>
      'Look why the service is slow, or give it a longer queue (its backlog, net.core.somaxconn).',
  }),
  'no-way-back': words<At & { who: string }>({
    title: 'the answers of the target do not come back through this machine',
    says: ({ at, who }) =>
      `${at} answers this machine, but ${who}: the target sends answers to clients another way, has no way, or its firewall admits this machine alone`,
    remedy: () =>
      'Give the target its default route through this machine, or have the forward masquerade: the target then sees this machine instead of the client.',
  }),
} as const

export const probed = {
  'refused-here': words<{ meaning: string; chain: string }>({
    title: 'Drawbridge itself refuses the packets',
    says: ({ meaning, chain }) => `a probe was dropped in chain ${chain} of our table: ${meaning}`,
    remedy: () => 'See what is wanted: drawbridge show NAME, and drawbridge status.',
  }),
  untaken: words<{ source: string; destination: string; port: number }>({
    title: 'no forward takes the packets',
    says: ({ source, destination, port }) =>
      `a probe from ${source} to ${destination} port ${port} was delivered to this machine itself`,
    remedy: () => 'Look whether a rule translates or accepts them first: drawbridge trace NAME.',
  }),
  unseen: words<{ why: string }>({
    title: 'the packets are lost before the first rule',
    says: ({ why }) => `a probe came to no table: ${why}`,
    remedy: () =>
      'Look at chains of netdev, at tc filters and XDP programs: nft list hooks; tc filter show dev NAME ingress.',
  }),
  unrouted: words<{ why: string }>({
    title: 'the packets are lost in routing',
    says: ({ why }) => why,
    remedy: () => 'Mend the route, or the setting that is named.',
  }),
  'answer-unrouted': words<{ why: string; source: string }>({
    title: 'the answers are lost in routing',
    says: ({ why, source }) => `the target answers, and its answer to ${source} is lost: ${why}`,
    remedy: () => 'Mend the route to the clients.',
  }),
  'refuses-clients': words<At & { client: string }>({
    title: 'the target refuses clients, though it answers this machine',
    says: ({ at, client }) => `${at} takes connections of this machine and refuses those of ${client}`,
    remedy: () =>
      'Admit the clients at the target; or have the forward masquerade: the target then sees this machine instead of the client.',
  }),
} as const

export const machine = {
  overloaded: words<{ load: number; processors: number }>({
    title: 'this machine is overloaded',
    says: ({ load, processors }) => `its load is ${load} with ${processors} processors`,
    remedy: () => 'Look what runs: top.',
  }),
  stolen: words<{ steal: number }>({
    title: 'the host of this virtual machine takes its processor away',
    says: ({ steal }) => `${steal} % of the time went to other machines on its host`,
    remedy: () => 'Ask its provider, or move it.',
  }),
  'softnet-drops': words<{ count: number }>({
    title: 'this machine receives packets faster than it can take them',
    says: ({ count }) =>
      `${count} packets were dropped before any rule saw them, as the queue of a processor was full`,
    remedy: () => 'Make the queue longer and spread the work over processors (receive packet steering).',
    command: () => 'sysctl -w net.core.netdev_max_backlog=10000',
  }),
  'memory-short': words<{ pressure: number }>({
    title: 'this machine is short of memory',
    says: ({ pressure }) => `programs waited for memory ${pressure} % of the last ten seconds`,
    remedy: () => 'Look what takes it: ps --sort=-rss.',
  }),
  logged: words<{ count: number; line: string }>({
    title: 'the log tells of dropped packets for this port',
    says: ({ count, line }) => `the newest of ${count} lines: ${line}`,
    remedy: () => 'The words before the packet name the rule.',
  }),
} as const

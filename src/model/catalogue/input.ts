/** What can be wrong with a value that somebody wrote. */
import { type Bad, entry } from './entry.ts'

export const inputProblems = {
  'bad-address': entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is not an IPv4 or IPv6 address`,
    remedy: () => 'Write an address such as 10.0.0.5 or fd00::5 (with a port: 10.0.0.5:80 or [fd00::5]:80).',
  }),
  'trace-source': entry<{ source: string; why: string }>({
    status: 400,
    says: ({ source, why }) => `a probe cannot come from ${source}: ${why}`,
    remedy: () =>
      'Name an address of a client, from which packets come by an interface: --from 198.51.100.7.',
  }),
  'trace-no-opening': entry<{ name: string; why: string }>({
    status: 409,
    says: ({ name, why }) => `no probe can be sent to ${name}: ${why}`,
    remedy: () => 'See what it is open for: drawbridge show NAME.',
  }),
  'trace-size': entry<{ size: number; least: number; most: number }>({
    status: 400,
    says: ({ size, least, most }) => `a probe of ${size} bytes: such a packet has ${least} to ${most}`,
    remedy: () => 'Leave --size out, or name the size of the whole packet, such as 1500.',
  }),
  'bad-prefix': entry<Bad & { why: string }>({
    status: 400,
    says: ({ field, value, why }) => `${field}: ${value} is not an address, a prefix or a list: ${why}`,
    remedy: () => 'Write an address, a prefix or a list, for example 203.0.113.7, 198.51.100.0/24 or office.',
  }),
  'bad-ports': entry<Bad & { why: string }>({
    status: 400,
    says: ({ field, value, why }) => `${field}: ${value} is not a list of ports: ${why}`,
    remedy: () => 'Ports run from 1 to 65535: one (80), a list (80,443) or a range (8000-8100).',
  }),
  'bad-listen': entry<Bad & { why: string }>({
    status: 400,
    says: ({ field, value, why }) => `${field}: ${value} is not an opening: ${why}`,
    remedy: () =>
      'Write protocol/ports, for example tcp/8080, tcp+udp/53@203.0.113.5, udp/20000-20100%eth0 or icmp@203.0.113.5.',
  }),
  'bad-target': entry<Bad & { why: string }>({
    status: 400,
    says: ({ field, value, why }) => `${field}: ${value} is not a target: ${why}`,
    remedy: () =>
      'Write a host and a port, for example 10.0.0.5:80, [fd00::5]:80, app.example.org:80, container:web:80 or self; port left out = same port.',
  }),
  'same-target': entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is there twice`,
    remedy: () => 'Give each target once; { host: 10.0.0.5, weight: 2 } gives it a greater share.',
  }),
  'self-port': entry<Bad & { listen: string }>({
    status: 400,
    says: ({ field, value, listen }) =>
      `${field}: ${value} is another port than the opening ${listen}, and a service of this machine is opened, not translated`,
    remedy: () => 'Listen on the port of the service itself, for example tcp/5432 to self:5432.',
  }),
  'target-unusable': entry<Bad & { why: string }>({
    status: 400,
    says: ({ field, value, why }) => `${field}: ${value} cannot be a target: ${why}`,
    remedy: () => 'Give the address of a host behind this gateway, for example 10.0.0.5:80.',
  }),
  'target-family': entry<Bad & { listen: string }>({
    status: 400,
    says: ({ field, value, listen }) =>
      `${field}: ${value} is of another address family than the opening ${listen}`,
    remedy: () => 'An IPv4 listen address takes an IPv4 target, an IPv6 listen address an IPv6 target.',
  }),
  'ports-differ': entry<Bad & { listen: string; have: number; want: number }>({
    status: 400,
    says: ({ field, value, listen, have, want }) =>
      `${field}: ${value} names ${have} ports, but the opening ${listen} has ${want}`,
    remedy: () =>
      'Give the first port only (udp/20000-20100 to 10.0.0.9:10000 maps port by port), or send all to one port with 10.0.0.9:=10000.',
  }),
  'ports-ambiguous': entry<Bad & { listen: string; port: number }>({
    status: 400,
    says: ({ field, value, listen }) =>
      `${field}: ${value} does not say how the ranges of ${listen} map to one target port`,
    remedy: ({ port }) => `Write :=${port} to send every port to ${port}, or give one forward per range.`,
  }),
  'ports-overflow': entry<Bad & { last: number }>({
    status: 400,
    says: ({ field, value, last }) => `${field}: ${value} would end at port ${last}, past 65535`,
    remedy: () => 'Choose a lower first target port, or a shorter range.',
  }),
  'bad-name': entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is not a name`,
    remedy: () =>
      'A name has 1 to 63 letters, digits, dots, dashes and underscores and starts with a letter, for example web-1.',
  }),
  'bad-limit': entry<Bad & { example: string }>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is not a limit`,
    remedy: ({ example }) => `Write for example ${example}.`,
  }),
  'bad-source-nat': entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is not a way to treat the source address`,
    remedy: () => 'Write auto, preserve, masquerade or an address of this gateway such as 10.0.0.1.',
  }),
  'bad-time': entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is not a time`,
    remedy: () =>
      'Write a time with its zone, for example 2027-01-31T00:00:00Z (or --for 2h on the command line).',
  }),
  over: entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is over already, so the forward would never be open`,
    remedy: () => 'Give a time to come, for example with --for 2h.',
  }),
  'needs-proxy': entry<{ field: string }>({
    status: 400,
    says: ({ field }) => `${field}: the kernel cannot do that, only a proxy can`,
    remedy: ({ field }) => `Add via: haproxy beside it, or leave ${field} out.`,
  }),
  'bad-via': entry<Bad & { why: string }>({
    status: 400,
    says: ({ field, value, why }) => `${field}: ${value} does not go with this forward: ${why}`,
    remedy: ({ field }) => `Leave ${field} out, or see "through a proxy" in docs/behaviour.md.`,
  }),
  'bad-text': entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is not plain text of at most 200 characters in one line`,
    remedy: () => 'Shorten it and leave out control characters, for example "for the night shift".',
  }),
  'bad-value': entry<Bad & { expected: string }>({
    status: 400,
    says: ({ field, value, expected }) => `${field}: ${value} is not ${expected}`,
    remedy: ({ field, expected }) => `Give ${field} as ${expected}.`,
  }),
  'missing-value': entry<{ field: string }>({
    status: 400,
    says: ({ field }) => `${field} is missing`,
    remedy: ({ field }) =>
      field === 'version'
        ? 'Begin the file with the line: version: 1'
        : 'A forward has at least listen and to, for example { listen: tcp/8443, to: 10.0.0.5:443 }.',
  }),
  'bad-document': entry<{ why: string }>({
    status: 400,
    says: ({ why }) => `the file cannot be read as a gateway: ${why}`,
    remedy: () => 'Start from: version: 1, then forwards: with one line "- tcp/8443 -> 10.0.0.5:443" each.',
  }),
  'unknown-key': entry<{ field: string; known: string; nearest: string }>({
    status: 400,
    says: ({ field }) => `${field}: there is no such key`,
    remedy: ({ nearest, known }) => (nearest ? `Did you mean ${nearest}?` : `Known keys: ${known}.`),
  }),
  'unknown-list': entry<{ field: string; list: string; known: string }>({
    status: 400,
    says: ({ field, list }) => `${field}: there is no list named ${list}`,
    remedy: ({ list, known }) =>
      `Lists here: ${known}. Define it in the file: lists: { ${list}: [198.51.100.0/24] }.`,
  }),
  'health-key': entry<{ field: string; check: string; keys: string }>({
    status: 400,
    says: ({ field, check }) => `${field} does not go with a check of ${check}`,
    remedy: ({ check, keys }) => `Keys for ${check}: ${keys}.`,
  }),
  'health-answer': entry<{ field: string; check: string }>({
    status: 400,
    says: ({ field, check }) =>
      `${field} is missing: a check of ${check} has to know the question and the answer it wants`,
    remedy: () =>
      'Write for example { check: dns, name: app.example.org, answer: 10.0.0.7 } or { check: udp, send: ping, answer: pong }.',
  }),
  'health-timeout': entry<{ field: string; value: string; every: string }>({
    status: 400,
    says: ({ field, value, every }) => `${field}: ${value} is more than half of every (${every})`,
    remedy: () => 'Shorten timeout, or check less often, for example { every: 5s, timeout: 1s }.',
  }),
  'health-target': entry<Bad & { why: string }>({
    status: 400,
    says: ({ field, value, why }) => `${field}: ${value} is never checked: ${why}`,
    remedy: () => 'Leave health out of this forward, or give the address of a host behind this gateway.',
  }),
  'slow-start': entry<{ field: string }>({
    status: 400,
    says: ({ field }) =>
      `${field} does not go with balance: source, by which a client belongs to its target at once`,
    remedy: () => 'Leave slow_start out, or choose balance: random or round-robin.',
  }),
  'health-port': entry<{ field: string; check: string }>({
    status: 400,
    says: ({ field, check }) => `${field}: a forward of ping has no port for a check of ${check}`,
    remedy: () => 'Check by icmp, or say at which port, for example { check: tcp, port: 22 }.',
  }),
} as const

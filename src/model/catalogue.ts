/** Every problem that there is: stable code, sentence, remedy. One place for every sentence that a user can see. */

export type Facts = Readonly<Record<string, string | number>>

export interface Entry<F extends Facts> {
  /** HTTP status; 4xx means that nothing was changed. */
  readonly status: number
  readonly says: (facts: F) => string
  readonly remedy: (facts: F) => string
}

const entry = <F extends Facts>(value: Entry<F>): Entry<F> => value

/** Fields that name the place of a bad value in the words the operator typed. */
interface Bad extends Facts {
  readonly field: string
  readonly value: string
}

export const catalogue = {
  'bad-address': entry<Bad>({
    status: 400,
    says: ({ field, value }) => `${field}: ${value} is not an IPv4 or IPv6 address`,
    remedy: () => 'Write an address such as 10.0.0.5 or fd00::5 (with a port: 10.0.0.5:80 or [fd00::5]:80).',
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
      'Write an address and a port, for example 10.0.0.5:80 or [fd00::5]:80; port left out = same port.',
  }),
  'host-name': entry<Bad>({
    status: 400,
    says: ({ field, value }) =>
      `${field}: ${value} is a host name, and targets are IP addresses in this version`,
    remedy: ({ value }) => `Write the address that ${value} has, for example 10.0.0.5:80.`,
  }),
  pool: entry<{ field: string; family: number }>({
    status: 400,
    says: ({ field, family }) =>
      `${field}: two IPv${family} targets make a pool, and pools are not in this version`,
    remedy: () => 'Give one IPv4 and at most one IPv6 target, for example [10.0.0.5:80, "[fd00::5]:80"].',
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
  'name-taken': entry<{ name: string; listen: string }>({
    status: 409,
    says: ({ name, listen }) => `name: "${name}" is taken by the forward of ${listen}`,
    remedy: ({ name }) => `Choose another name with --name, or close it first: drawbridge close ${name}.`,
  }),
  'listen-taken': entry<{ listen: string; holder: string; shared: string }>({
    status: 409,
    says: ({ listen, holder, shared }) => `listen: ${listen} overlaps the forward "${holder}" (${shared})`,
    remedy: ({ holder }) => `Pick another port, or close it first: drawbridge close ${holder}.`,
  }),
  'privileged-port': entry<{ listen: string; port: number }>({
    status: 400,
    says: ({ listen, port }) =>
      `listen: ${listen} opens port ${port}, below 1024, where system services live`,
    remedy: () => 'Add --privileged to the command, or privileged: true to the file, if this is meant.',
  }),
  loop: entry<{ field: string; path: string }>({
    status: 400,
    says: ({ field, path }) => `${field}: the forward would lead back to itself: ${path}`,
    remedy: () => 'Give the host that serves in the end as target, for example 10.0.0.5:80.',
  }),
  chained: entry<{ field: string; target: string; holder: string }>({
    status: 400,
    says: ({ field, target, holder }) =>
      `${field}: ${target} is itself an opening of this gateway ("${holder}"), and a packet is translated once only`,
    remedy: ({ holder }) => `Give the target of "${holder}" as the target here too.`,
  }),
  'shadows-listener': entry<{ listen: string; service: string; uid: number }>({
    status: 409,
    says: ({ listen, service, uid }) =>
      `listen: ${listen} would hide the service of this machine on ${service} (user ${uid}): its packets would go to the target`,
    remedy: () => 'Pick another port, or add --take-over if the service is to be hidden.',
  }),
  'no-such-forward': entry<{ name: string; nearest: string }>({
    status: 404,
    says: ({ name }) => `there is no forward ${name}`,
    remedy: ({ nearest }) =>
      nearest ? `Did you mean "${nearest}"?` : 'See what there is with: drawbridge list.',
  }),
  'stale-generation': entry<{ based: number; now: number }>({
    status: 409,
    says: ({ based, now }) => `the change was made on generation ${based}, but the gateway is at ${now}`,
    remedy: () => 'Look at what changed (drawbridge list) and make the change again.',
  }),
  'too-many-limits': entry<{ what: string; most: number }>({
    status: 400,
    says: ({ what, most }) => `limits: more than ${most} different values of ${what} on one gateway`,
    remedy: () => 'Use the same value for several forwards; each distinct value is one rule in the kernel.',
  }),
  unconfirmed: entry<{ base: number; deadline: string }>({
    status: 409,
    says: ({ base, deadline }) =>
      `a change waits for its confirmation; without it, generation ${base} returns at ${deadline}`,
    remedy: () => 'Keep it with: drawbridge confirm. Or wait until it is undone.',
  }),
  'nothing-to-confirm': entry<{ now: number }>({
    status: 409,
    says: ({ now }) => `no change waits for a confirmation; the gateway is at generation ${now}`,
    remedy: () => 'If one did, its time is over and it was undone. See: drawbridge history.',
  }),
  'old-connection': entry<Record<never, never>>({
    status: 409,
    says: () => 'this connection is older than the change, so it does not show that you can still get in',
    remedy: () => 'Confirm over a new connection: drawbridge confirm opens one by itself.',
  }),
  'no-such-generation': entry<{ wanted: string; now: number }>({
    status: 404,
    says: ({ wanted, now }) => `there is no generation ${wanted}; the gateway is at ${now}`,
    remedy: () => 'See which there are with: drawbridge history.',
  }),
  'audit-broken': entry<{ generation: number; why: string }>({
    status: 409,
    says: ({ generation, why }) => `the audit log is broken at generation ${generation}: ${why}`,
    remedy: () => 'Compare with a copy of the store from before; somebody wrote to it beside Drawbridge.',
  }),
  'kernel-refused': entry<{ words: string }>({
    status: 502,
    says: ({ words }) => `the kernel refused the change: ${words}`,
    remedy: () =>
      'The change is kept and tried again by itself. See: drawbridge status; undo it with: drawbridge rollback.',
  }),
  'kernel-differs': entry<{ what: string }>({
    status: 502,
    says: ({ what }) => `the kernel does not hold what was written: ${what}`,
    remedy: () => 'Another program may be writing to the table inet drawbridge. It is written again at once.',
  }),
  'fought-over': entry<{ count: number; by: string }>({
    status: 502,
    says: ({ count, by }) =>
      `another program keeps changing the table inet drawbridge: ${count} repairs, the last after ${by}`,
    remedy: () =>
      'Stop that program, or keep it from flushing the whole ruleset. Repairs wait 5 s each meanwhile.',
  }),
  'not-in-step': entry<{ wanted: number; have: number; why: string }>({
    status: 504,
    says: ({ wanted, have, why }) =>
      `the change is kept as generation ${wanted}, but the kernel still has ${have}: ${why}`,
    remedy: () => 'It is tried again by itself. Watch it with: drawbridge status --wait 10s.',
  }),
  'agent-away': entry<Record<never, never>>({
    status: 503,
    says: () => 'the agent, which alone may touch the kernel, does not answer',
    remedy: () => 'Start both with: sudo drawbridge up. The forwards in the kernel are untouched meanwhile.',
  }),
  'agent-running': entry<{ words: string }>({
    status: 409,
    says: ({ words }) => `another agent already holds the forwards of this network namespace (${words})`,
    remedy: () => 'Stop that Drawbridge first: drawbridge --state ITS-DIRECTORY down.',
  }),
  'boot-file': entry<{ words: string }>({
    status: 500,
    says: ({ words }) => `the forwards are in force, but could not be written for the next boot: ${words}`,
    remedy: () => 'Make room in the state directory; it is written again with the next change.',
  }),
  'controller-away': entry<{ socket: string; why: string }>({
    status: 503,
    says: ({ socket, why }) => `Drawbridge does not answer on ${socket} (${why})`,
    remedy: () => 'Start it with: sudo drawbridge up (or name its state directory with --state).',
  }),
  'already-running': entry<{ state: string; pid: number }>({
    status: 409,
    says: ({ state, pid }) => `another Drawbridge (process ${pid}) already runs on ${state}`,
    remedy: () => 'Use that one, or give this one another directory with --state.',
  }),
  'store-unusable': entry<{ path: string; why: string }>({
    status: 500,
    says: ({ path, why }) => `the store ${path} cannot be used: ${why}`,
    remedy: () =>
      'The kernel keeps its forwards. Put back a good copy of the file, or move it away to start empty.',
  }),
  'no-such-route': entry<{ method: string; path: string }>({
    status: 404,
    says: ({ method, path }) => `there is no ${method} ${path}`,
    remedy: () => 'The routes are listed in docs/behaviour.md.',
  }),
  'bad-request': entry<{ why: string }>({
    status: 400,
    says: ({ why }) => `the request cannot be read: ${why}`,
    remedy: () => 'Send one JSON object with content type application/json.',
  }),
  'went-wrong': entry<{ why: string }>({
    status: 500,
    says: ({ why }) => `Drawbridge failed inside: ${why}`,
    remedy: () =>
      'Look whether it was done: drawbridge history. Please report it with: drawbridge status -o json.',
  }),
} as const

/** Why a change that is well written is not made. */
import { entry } from './entry.ts'

export const changeProblems = {
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
  'not-shared': entry<{ listen: string; holder: string; why: string }>({
    status: 409,
    says: ({ listen, holder, why }) =>
      `listen: ${listen} cannot be shared with the forward "${holder}": ${why}`,
    remedy: () =>
      'Forwards on one opening differ in sni and to; from and limits are the same for all, as the kernel cannot see a server name.',
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
  'shadows-listener': entry<{ listen: string; service: string; fate: string }>({
    status: 409,
    says: ({ listen, service, fate }) => `listen: ${listen} would hide ${service}: ${fate}`,
    remedy: () => 'Pick another port, or add --take-over if the service is to be hidden.',
  }),
  'loopback-only': entry<{ name: string; what: string; service: string; addresses: string }>({
    status: 409,
    says: ({ name, what, service, addresses }) =>
      `to: ${name} would open ${what}, which ${service} serves on ${addresses} only: nothing from outside arrives there`,
    remedy: () =>
      'Have it listen on the address that is to be reached, or on all (listen_addresses in postgresql.conf, bind in redis.conf), and open it again. Otherwise it would take route_localnet, which opens local services to neighbours.',
  }),
  'no-such-target': entry<{ name: string; value: string; known: string; nearest: string }>({
    status: 404,
    says: ({ name, value }) => `${name} has no target ${value}`,
    remedy: ({ nearest, known }) => (nearest ? `Did you mean ${nearest}?` : `Its targets: ${known}.`),
  }),
  'drains-itself': entry<{ name: string }>({
    status: 400,
    says: ({ name }) => `${name} opens a service of this machine, beside which there is no other target`,
    remedy: ({ name }) => `Keep new connections away with: drawbridge disable ${name}.`,
  }),
  'still-draining': entry<{ count: number; what: string; within: string }>({
    status: 504,
    says: ({ count, what, within }) =>
      `${count === 1 ? 'one connection' : `${count} connections`} to ${what} did not end within ${within}`,
    remedy: () => 'It gets no new one. Wait longer, or see what is left with: drawbridge show NAME.',
  }),
  'no-such-container': entry<{ forward: string; name: string; nearest: string }>({
    status: 400,
    says: ({ forward, name }) => `${forward}: there is no container ${name} on this machine`,
    remedy: ({ nearest }) =>
      nearest
        ? `Did you mean ${nearest}? See all with: docker ps --all.`
        : 'See which there are with: docker ps --all.',
  }),
  'no-docker': entry<{ forward: string; name: string }>({
    status: 400,
    says: ({ forward, name }) =>
      `${forward}: container:${name} needs Docker, which does not run on this machine`,
    remedy: () =>
      'Start Docker, or set DOCKER_HOST=unix:///PATH for drawbridge up where its socket is elsewhere; or give an address.',
  }),
  'container-on-host': entry<{ forward: string; name: string }>({
    status: 400,
    says: ({ forward, name }) =>
      `${forward}: container ${name} is in the network of this machine and has no address of its own`,
    remedy: () => 'Its service is one of this machine: give self:PORT as the target.',
  }),
  'container-unreached': entry<{ forward: string; name: string }>({
    status: 400,
    says: ({ forward, name }) => `${forward}: container ${name} is in no network that this machine reaches`,
    remedy: ({ name }) => `Give it one of a bridge: docker network connect bridge ${name}.`,
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
  'too-many-proxied': entry<{ most: number }>({
    status: 400,
    says: ({ most }) => `via: more than ${most} ports of forwards through proxies on one gateway`,
    remedy: () =>
      'Forward with fewer ports through a proxy; without via the kernel takes as many as there are.',
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
  'old-session': entry<{ client: string }>({
    status: 409,
    says: ({ client }) =>
      `this SSH session from ${client} is older than the change, so it does not show that you can still log in`,
    remedy: () => 'Open a new SSH session and say there, outside of tmux or screen: drawbridge confirm.',
  }),
  'confirmation-required': entry<{ why: string }>({
    status: 409,
    says: ({ why }) => `the change touches what you stand on: ${why}`,
    remedy: () =>
      'Add --confirm 60s: it is undone unless you confirm it. Add --confirm 0 if you know that you stay in.',
  }),
  'no-such-generation': entry<{ wanted: string; now: number }>({
    status: 404,
    says: ({ wanted, now }) => `there is no generation ${wanted}; the gateway is at ${now}`,
    remedy: () => 'See which there are with: drawbridge history.',
  }),
  'archived-generation': entry<{ wanted: number; kept: number }>({
    status: 404,
    says: ({ wanted, kept }) =>
      `generation ${wanted} lies in the archives of the audit log; the way back reaches to generation ${kept}`,
    remedy: ({ kept }) =>
      `Choose ${kept} or a later one, or read what was then with: drawbridge audit -o json.`,
  }),
  'audit-broken': entry<{ entry: number; why: string }>({
    status: 409,
    says: ({ entry, why }) => `the audit log is broken at entry ${entry}: ${why}`,
    remedy: () => 'Compare with a copy of the store from before; somebody wrote to it beside Drawbridge.',
  }),
  'audit-forked': entry<{ entry: number; why: string; file: string }>({
    status: 409,
    says: ({ entry, why }) =>
      `the audit log is not the one that the agent has seen up to entry ${entry}: ${why}`,
    remedy: ({ file }) =>
      `If you have put back an older copy of the store yourself, remove ${file} as root, and the agent begins anew.`,
  }),
  'archive-unreadable': entry<{ path: string; why: string }>({
    status: 500,
    says: ({ path, why }) => `the archive ${path} of the audit log cannot be read: ${why}`,
    remedy: () =>
      'Put back a good copy, or move it away: drawbridge audit --verify then says what is missing.',
  }),
} as const

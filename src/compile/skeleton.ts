/** settings + what is in use -> the static part of the table: sets, chains and rules, the same for 1 and 64,000 forwards. */
import type { Mark } from '../model/gateway.ts'
import { allowRules, banRules, limitRules, metersOf } from './guards.ts'
import { layoutOf, type NamedSet, readSetName, type SetLayout, setName, staticSets } from './sets.ts'

/** What the static part depends on. */
export interface SkeletonFacts {
  readonly mark: Mark
  /** The sets made by need (`allowed…`, `rate…`, `open…`, `banned…`) that have elements. */
  readonly used: readonly string[]
}

interface Chain {
  readonly name: string
  /** type, hook and priority of a base chain. */
  readonly hook?: string
  readonly rules: readonly string[]
}

export interface Skeleton {
  readonly sets: readonly string[]
  readonly chains: readonly Chain[]
}

/**
 * Sets by name, then chains. Base chains run just before the usual place of their kind, so that a forward of ours wins
 * over a rule made by hand or by Docker for the same port, and our choice of source address over a blanket masquerade.
 */
export function skeletonOf(facts: SkeletonFacts): Skeleton {
  const named = facts.used.map((name) => ({ name, set: readSetName(name) }))
  const used = named.flatMap(({ set }) => (set ? [set] : [])).sort(inOrder)
  const meters = used.flatMap(metersOf)
  // Which forward it is has to be found out again after translation only where the answer makes a difference.
  const choosing = used.some(({ kind }) => kind === 'chosen')
  const proxying = used.some(({ kind }) => kind === 'entrances')
  const shut = proxying ? [shutEntrances] : []
  // A base chain of the forward hook sees every packet, so it is there only where it is needed.
  const shielding = used.some(({ kind }) => kind === 'shielded')
  return {
    sets: [...Object.keys(staticSets), ...used.map(setName), ...meters].sort(),
    chains: [
      {
        name: 'prerouting',
        hook: 'type nat hook prerouting priority dstnat - 5',
        rules: ['fib daddr type local jump forwards', ...shut],
      },
      {
        name: 'output',
        hook: 'type nat hook output priority -105',
        rules: [...(proxying ? shutWithin : []), ...output, ...shut],
      },
      ...(shielding ? [shieldChain] : []),
      {
        name: 'postrouting',
        hook: 'type nat hook postrouting priority srcnat - 5',
        rules: [ours(facts.mark, choosing ? 'source_nat' : 'source')],
      },
      { name: 'forwards', rules: finding },
      { name: 'ports', rules: findingPorts },
      { name: 'forwarded', rules: [...used.flatMap(banRules), ...forwarded(facts.mark, used)] },
      { name: 'guard', rules: ['meta priority @restricted jump sources', ...used.flatMap(limitRules)] },
      { name: 'sources', rules: [...used.flatMap(allowRules), 'meta priority @refused drop', 'drop'] },
      ...(used.some(({ kind }) => kind === 'refusing') ? [{ name: 'refusing', rules: refusing }] : []),
      ...(used.some(({ kind }) => kind === 'members')
        ? [{ name: 'members', rules: used.flatMap(memberRules) }]
        : []),
      ...(choosing
        ? [
            { name: 'source_nat', rules: findingAgain },
            { name: 'chosen', rules: chosenSource },
          ]
        : []),
      { name: 'source', rules: [...(choosing ? ['meta priority @chosen jump chosen'] : []), ...autoSource] },
    ],
  }
}

/** What comes to a proxy by itself, past the forward and whom it admits. First packets alone come to a chain of NAT. */
const shutEntrances = 'tcp dport @entrances fib daddr type local drop'
const shutWithin = [
  'ip daddr 127.0.0.0/8 tcp dport @entrances drop',
  'ip6 daddr ::1 tcp dport @entrances drop',
]

/** The gateway's own connections take the forwards too, but not those to loopback: their replies could not come back. */
const output = ['ip daddr 127.0.0.0/8 return', 'ip6 daddr ::1 return', 'fib daddr type local jump forwards']

/** Which forward is it? Its number goes into meta priority; a look-up that misses ends the rule, not the chain. */
const finding = [
  // Replies to a link-local client could not be routed back, so those addresses stay this machine's own.
  'ip6 daddr fe80::/10 return',
  'meta l4proto tcp goto ports',
  'meta l4proto udp goto ports',
  'icmp type echo-request meta priority set ip daddr map @pings4 goto forwarded',
  'icmpv6 type echo-request meta priority set ip6 daddr map @pings6 goto forwarded',
]

const findingPorts = [
  'meta priority set meta nfproto . meta l4proto . th dport map @openings goto forwarded',
  'meta priority set ip daddr . meta l4proto . th dport map @openings_at4 goto forwarded',
  'meta priority set ip6 daddr . meta l4proto . th dport map @openings_at6 goto forwarded',
  'meta priority set iifname . meta nfproto . meta l4proto . th dport map @openings_on goto forwarded',
]

/** The same question after translation, from the original tuple; nft wants the protocol named before `ct … proto-dst`. */
const findingAgain = [
  ...(['tcp', 'udp'] as const).flatMap((protocol) =>
    [
      'meta nfproto . meta l4proto . ct original proto-dst map @openings',
      'ct original ip daddr . meta l4proto . ct original proto-dst map @openings_at4',
      'ct original ip6 daddr . meta l4proto . ct original proto-dst map @openings_at6',
      'iifname . meta nfproto . meta l4proto . ct original proto-dst map @openings_on',
    ].map((key) => `meta l4proto ${protocol} meta priority set ${key} goto source`),
  ),
  'meta l4proto icmp meta priority set ct original ip daddr map @pings4 goto source',
  'meta l4proto icmpv6 meta priority set ct original ip6 daddr map @pings6 goto source',
]

/** May this source use it, and how often; then mark the connection as ours and translate. */
function forwarded({ value, mask }: Mark, used: readonly NamedSet[]): string[] {
  const has = (kind: NamedSet['kind']) => used.some((set) => set.kind === kind)
  return [
    'meta priority @guarded jump guard',
    ...(has('refusing') ? ['meta priority . meta nfproto @refusing goto refusing'] : []),
    `ct mark set ct mark & ${hex(~mask >>> 0)} | ${hex(value)}`,
    // Its counter and our mark are all that a service of this machine needs.
    ...(has('own') ? ['meta priority @own accept'] : []),
    ...(has('proxied') ? ['meta l4proto tcp redirect to : meta priority . th dport map @proxied'] : []),
    'update @hairpin { iif . iif }',
    // Without the family first, the look-up of the other family's map would be made, and counted, all the same.
    'meta nfproto ipv4 dnat ip to meta priority . meta l4proto . th dport map @targets4',
    'meta nfproto ipv6 dnat ip6 to meta priority . meta l4proto . th dport map @targets6',
    ...used.flatMap(poolRules),
    'meta nfproto ipv4 dnat ip to meta priority map @ping_targets4',
    'meta nfproto ipv6 dnat ip6 to meta priority map @ping_targets6',
  ]
}

/**
 * Nobody is there to take it, and the client should know at once. The kernel rejects in prerouting since 5.9 (commit
 * f53b9b0bdc59), and lets a chain of type nat do so as it asks for the hook alone (nft_reject_validate).
 */
const refusing = ['meta l4proto tcp reject with tcp reset', 'reject']

/** The member's number takes the place of the forward's. One rule for all pools of a size; a pool that is none of it goes on. */
function poolRules(set: NamedSet): string[] {
  if (set.kind !== 'pool') return []
  const { family, balance, slots } = set
  const picks = {
    random: `numgen random mod ${slots}`,
    'round-robin': `numgen inc mod ${slots}`,
    // The seed is said, as the kernel would choose another at each load.
    source: `jhash ${family === 4 ? 'ip' : 'ip6'} saddr mod ${slots} seed 0x2db00000`,
  } as const
  const slot = `meta priority . ${picks[balance]}`
  return [`meta nfproto ipv${family} meta priority set ${slot} map @${setName(set)} goto members`]
}

function memberRules(set: NamedSet): string[] {
  if (set.kind !== 'members') return []
  const to = `dnat ${set.family === 4 ? 'ip' : 'ip6'} to`
  return [`meta nfproto ipv${set.family} ${to} meta priority . meta l4proto . th dport map @${setName(set)}`]
}

/**
 * The kernel keeps the pairs (x, x) of interfaces seen by new forwarded connections in @hairpin, so "in and out by the
 * same interface" needs no list of interfaces of ours. Without an input interface the connection is the gateway's own,
 * or bridged past the routing by br_netfilter: both need the gateway's address too.
 */
const autoSource = ['meta priority set 0:0', 'iif . oif @hairpin masquerade', 'meta iif 0 masquerade']

/** Forwards that say how to treat the source address. A fixed address says nothing for the other family. */
const chosenSource = [
  'meta priority @preserved accept',
  'meta priority @masqueraded meta priority set 0:0 masquerade',
  'meta nfproto ipv4 snat ip to meta priority map @sources4',
  'meta nfproto ipv6 snat ip6 to meta priority map @sources6',
]

function ours({ value, mask }: Mark, chain: string): string {
  return `ct mark & ${hex(mask)} == ${hex(value)} jump ${chain}`
}

/**
 * In the families of @shielded, which this machine did not forward before us, nothing but forwards passes from outside.
 * `ct status != dnat` would compare the whole status word and drop the forwards as well. Packets that belong to no
 * connection (a stray answer, a scanner's FIN) are neither new nor of a forward, and have no status to ask about. All but
 * first packets leave by the first rule, as this chain sees every packet.
 */
const shieldChain: Chain = {
  name: 'forward',
  hook: 'type filter hook forward priority filter - 5',
  rules: [
    'ct state established,related accept',
    'meta nfproto @shielded iifname @outside ct state invalid,untracked drop',
    'meta nfproto @shielded iifname @outside ct state new ct status & dnat == 0 drop',
  ],
}

/** Longer prefixes first, as they are the likelier ones; the order has no other meaning. */
function inOrder(a: NamedSet, b: NamedSet): number {
  const prefixes = a.kind === 'allowed' || a.kind === 'banned'
  if (prefixes && b.kind === a.kind && a.family === b.family) return b.length - a.length
  return setName(a) < setName(b) ? -1 : 1
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

/** What somebody else, or an older need, has left in the table. */
export interface Leftovers {
  readonly sets: readonly string[]
  readonly chains: readonly string[]
}

export const noLeftovers: Leftovers = { sets: [], chains: [] }

/** The commands that bring the table to this skeleton from whatever it was, elements kept, in one transaction. */
export function printSkeleton(skeleton: Skeleton, leftovers: Leftovers = noLeftovers): string {
  const { sets, chains } = skeleton
  return [
    'add table inet drawbridge',
    ...sets.map(printSet),
    ...chains.map(
      ({ name, hook }) => `add chain inet drawbridge ${name}${hook ? ` { ${hook}; policy accept; }` : ''}`,
    ),
    ...chains.map(({ name }) => `flush chain inet drawbridge ${name}`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `add rule inet drawbridge ${name} ${rule}`)),
    ...leftovers.chains.map((name) => `flush chain inet drawbridge ${name}`),
    ...leftovers.chains.map((name) => `delete chain inet drawbridge ${name}`),
    ...leftovers.sets.map((name) => `delete ${isMap(name) ? 'map' : 'set'} inet drawbridge ${name}`),
    '',
  ].join('\n')
}

/** nft wants a map called one. Of what somebody else has left it cannot be told; then the table is made anew. */
function isMap(name: string): boolean {
  return readSetName(name) !== undefined && layoutOf(name).data !== undefined
}

function printSet(name: string): string {
  const { key, data, counter, dynamic } = layoutOf(name)
  const parts = [
    `${typesOf(key, data)};`,
    ...(counter ? ['counter;'] : []),
    ...(dynamic ? ['size 1048576;'] : []),
    ...(dynamic?.forgets ? [`flags dynamic,timeout; timeout ${dynamic.forgets};`] : []),
    ...(dynamic && !dynamic.forgets ? ['flags dynamic;'] : []),
  ]
  return `add ${data ? 'map' : 'set'} inet drawbridge ${name} { ${parts.join(' ')} }`
}

/**
 * nft has no name for the type of a slot, which is what numgen gives. Of jhash it must not be said: nft 1.0.6 stores that
 * expression with the set and crashes when it lists it again.
 */
function typesOf(key: SetLayout['key'], data: SetLayout['data']): string {
  if (key.includes('slot')) return 'typeof meta priority . numgen random mod 2 : meta priority'
  return `type ${key.join(' . ')}${data ? ` : ${data.join(' . ')}` : ''}`
}

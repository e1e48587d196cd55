/**
 * The sets and maps of the table as data. A forward is elements of these and nothing else.
 *
 * `classid` is the type of `meta priority`: the number of the forward is carried in it from the rule that finds the
 * opening to the rules that ask about it. skb->priority is free to use there: ip_forward() sets it anew from the
 * TOS byte (net/ipv4/ip_forward.c), and only the first packet of a connection walks a nat chain.
 */

export type FieldType =
  | 'nf_proto'
  | 'inet_proto'
  | 'inet_service'
  | 'classid'
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'ifname'
  | 'iface_index'
  | 'slot'

/** The layout of a set (no `data`) or map. `dynamic` sets are filled by packets, so nobody compares their elements. */
export interface SetLayout {
  readonly key: readonly FieldType[]
  readonly data?: readonly FieldType[]
  readonly counter?: true
  readonly dynamic?: { readonly forgets?: string }
}

const listen = ['inet_proto', 'inet_service'] as const

/** Always there. */
export const staticSets: Readonly<Record<string, SetLayout>> = {
  openings: { key: ['nf_proto', ...listen], data: ['classid'] },
  openings_at4: { key: ['ipv4_addr', ...listen], data: ['classid'] },
  openings_at6: { key: ['ipv6_addr', ...listen], data: ['classid'] },
  openings_on: { key: ['ifname', 'nf_proto', ...listen], data: ['classid'] },
  pings4: { key: ['ipv4_addr'], data: ['classid'] },
  pings6: { key: ['ipv6_addr'], data: ['classid'] },
  targets4: { key: ['classid', ...listen], data: ['ipv4_addr', 'inet_service'], counter: true },
  targets6: { key: ['classid', ...listen], data: ['ipv6_addr', 'inet_service'], counter: true },
  ping_targets4: { key: ['classid'], data: ['ipv4_addr'], counter: true },
  ping_targets6: { key: ['classid'], data: ['ipv6_addr'], counter: true },
  guarded: { key: ['classid'] },
  restricted: { key: ['classid'] },
  refused: { key: ['classid'], counter: true },
  limited: { key: ['classid'], counter: true },
  preserved: { key: ['classid'] },
  masqueraded: { key: ['classid'] },
  sources4: { key: ['classid'], data: ['ipv4_addr'] },
  sources6: { key: ['classid'], data: ['ipv6_addr'] },
  outside: { key: ['ifname'] },
  hairpin: { key: ['iface_index', 'iface_index'], dynamic: {} },
}

/** How a pool picks one of its slots. */
type Picking = 'random' | 'round-robin' | 'source'

/** A set made when the first forward needs it and removed with the last one. */
export type NamedSet =
  /** Allowed sources of one prefix length: the address is masked before the look-up, so a hash set does. */
  | { readonly kind: 'allowed'; readonly family: 4 | 6; readonly length: number }
  /** The forwards with this limit on new connections. */
  | { readonly kind: 'rate'; readonly count: number; readonly per: 'second' | 'minute' | 'hour' }
  /** The forwards with this limit on open connections. */
  | { readonly kind: 'open'; readonly count: number }
  /** The forwards that say how to treat the source address. */
  | { readonly kind: 'chosen' }
  /** The families in which nothing but forwards passes from outside. */
  | { readonly kind: 'shielded' }
  /** Whom another program has banned, masked like `allowed`. */
  | { readonly kind: 'banned'; readonly family: 4 | 6; readonly length: number }
  /** The forwards that open a service of this machine. */
  | { readonly kind: 'own' }
  /** The ports of proxies on this machine that forwards lead to, by forward and port of its opening. */
  | { readonly kind: 'proxied' }
  /** Those ports alone, to which nobody may connect by himself. */
  | { readonly kind: 'entrances' }
  /** The forwards whose targets do not take connections now, with the family. */
  | { readonly kind: 'refusing' }
  /** Which member of a pool is in each of its slots: one set for all pools with so many. */
  | { readonly kind: 'pool'; readonly family: 4 | 6; readonly balance: Picking; readonly slots: number }
  /** Where the members of pools are. */
  | { readonly kind: 'members'; readonly family: 4 | 6 }

export function setName(set: NamedSet): string {
  switch (set.kind) {
    case 'allowed':
    case 'banned':
      return `${set.kind}${set.family}_${set.length}`
    case 'rate':
      return `rate_${set.count}_${set.per}`
    case 'open':
      return `open_${set.count}`
    case 'pool':
      return `pool${set.family}_${pickings[set.balance]}_${set.slots}`
    case 'members':
      return `members${set.family}`
    case 'chosen':
    case 'shielded':
    case 'own':
    case 'proxied':
    case 'entrances':
    case 'refusing':
      return set.kind
  }
}

const pickings = { random: 'random', 'round-robin': 'turn', source: 'source' } as const

const plain = ['chosen', 'shielded', 'own', 'proxied', 'entrances', 'refusing'] as const

/** Reads a name that `setName` made; undefined for every other name. */
export function readSetName(name: string): NamedSet | undefined {
  const kind = plain.find((one) => one === name)
  if (kind) return { kind }
  return readPoolName(name) ?? readNumberedName(name)
}

function readPoolName(name: string): NamedSet | undefined {
  if (name === 'members4' || name === 'members6')
    return { kind: 'members', family: name === 'members4' ? 4 : 6 }
  const [, family, picking, slots] = /^pool([46])_(random|turn|source)_(\d+)$/.exec(name) ?? []
  if (slots === undefined) return undefined
  const balance = picking === 'turn' ? 'round-robin' : picking === 'source' ? 'source' : 'random'
  return { kind: 'pool', family: family === '4' ? 4 : 6, balance, slots: Number(slots) }
}

function readNumberedName(name: string): NamedSet | undefined {
  const match = /^(?:(allowed|banned)([46])_(\d+)|rate_(\d+)_(second|minute|hour)|open_(\d+))$/.exec(name)
  if (!match) return undefined
  const [, whom, family, length, rate, per, open] = match
  if (whom === 'allowed' || whom === 'banned')
    return { kind: whom, family: family === '4' ? 4 : 6, length: Number(length) }
  if (rate) return { kind: 'rate', count: Number(rate), per: per as 'second' | 'minute' | 'hour' }
  return { kind: 'open', count: Number(open) }
}

/** The sets in which the kernel keeps what each source address has used of a limit. */
export function meterName(set: NamedSet, family: 4 | 6): string {
  return `${setName(set)}_by${family}`
}

/** Long enough to remember a spent bucket of that period, short enough to forget scanners. */
const remember = { second: '1m', minute: '5m', hour: '2h' } as const

/** The layout of the set of this name. Throws on a name that is none of ours. */
export function layoutOf(name: string): SetLayout {
  const [, base = name, family] = /^(.+)_by([46])$/.exec(name) ?? []
  const named = readSetName(base)
  const layout = named && (family ? meterLayout(named, family) : namedLayout(named))
  const found = staticSets[name] ?? layout
  if (!found) throw new Error(`no set is called ${name}`)
  return found
}

function namedLayout(set: NamedSet): SetLayout {
  if (set.kind === 'shielded') return { key: ['nf_proto'] }
  if (set.kind === 'own') return { key: ['classid'], counter: true }
  if (set.kind === 'proxied')
    return { key: ['classid', 'inet_service'], data: ['inet_service'], counter: true }
  if (set.kind === 'entrances') return { key: ['inet_service'] }
  if (set.kind === 'refusing') return { key: ['classid', 'nf_proto'] }
  if (set.kind === 'pool') return { key: ['classid', 'slot'], data: ['classid'] }
  if (set.kind === 'members') return membersLayout(set.family)
  if (set.kind === 'banned') return { key: [addressType(set.family)], counter: true }
  return { key: set.kind === 'allowed' ? ['classid', addressType(set.family)] : ['classid'] }
}

function membersLayout(family: 4 | 6): SetLayout {
  return { key: ['classid', ...listen], data: [addressType(family), 'inet_service'], counter: true }
}

function addressType(family: 4 | 6): FieldType {
  return family === 4 ? 'ipv4_addr' : 'ipv6_addr'
}

function meterLayout(set: NamedSet, family: string): SetLayout {
  const key = ['classid', family === '4' ? 'ipv4_addr' : 'ipv6_addr'] as const
  return { key, dynamic: set.kind === 'rate' ? { forgets: remember[set.per] } : {} }
}

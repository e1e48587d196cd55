/** The firewall rules of other programs, as values: what each asks of a packet and what it does with it. */
import type { Family } from '../address.ts'
import type { Ranges } from './ranges.ts'

/**
 * What a rule asks about. `other`: something that is not known here. Numbers are as they are in the packet; what the kernel
 * keeps in the machine's byte order is told as a number too.
 */
export type FieldName =
  | 'port'
  | 'sourcePort'
  | 'source'
  | 'address'
  | 'family'
  | 'protocol'
  | 'inInterface'
  | 'outInterface'
  | 'state'
  | 'status'
  | 'connectionMark'
  | 'mark'
  | 'direction'
  | 'addressKind'
  | 'tcpFlags'
  | 'packetKind'
  | 'etherType'
  | 'linkType'
  | 'icmpType'
  | 'icmpCode'
  /** Whether an answer to the source would leave by the interface that the packet came by, or by any. */
  | 'returns'
  | 'routed'
  /** What whoever sends a packet may choose, and is not followed: hop limits, lengths, options. */
  | 'free'
  | 'other'

export interface Asked {
  readonly field: FieldName
  readonly bits: number
  /** Hexadecimal; null: all bits count. */
  readonly mask: string | null
}

/** Hexadecimal, both ends included. */
export type Span = readonly [first: string, last: string]

export function rangesOfSpans(spans: readonly Span[]): Ranges {
  return spans.map(([first, last]) => ({ first: BigInt(`0x${first}`), last: BigInt(`0x${last}`) }))
}

/** A span for each field that is asked about. */
export type Row = readonly Span[]

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'reject' | 'return' | 'queue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | {
      readonly kind: 'translate'
      /** Null: this machine. */
      readonly address: string | null
      /** Null: the port stays. */
      readonly ports: readonly [number, number] | null
      /** False: a map or a thing that cannot be read tells where. */
      readonly known: boolean
    }

export type Step =
  | {
      readonly kind: 'test'
      readonly asked: readonly Asked[]
      readonly rows: readonly Row[]
      readonly not: boolean
    }
  | {
      readonly kind: 'branch'
      readonly asked: readonly Asked[]
      readonly rows: readonly { readonly row: Row; readonly verdict: Verdict }[]
    }
  /** `limit`: it passes some packets of anybody and not others; `unread`: a condition that is not known here. */
  | { readonly kind: 'doubt'; readonly why: 'unread' | 'limit' }
  /** A later rule may find another value there. */
  | { readonly kind: 'alters'; readonly field: FieldName }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }

export interface Rule {
  readonly handle: number
  readonly steps: readonly Step[]
}

export interface Chain {
  readonly name: string
  readonly rules: readonly Rule[]
}

/** Of a bridge those of its own family, by the name of the hook. Packets of no other hook come from or go to the outside. */
type Hook =
  | 'ingress'
  | 'bridge prerouting'
  | 'bridge input'
  | 'prerouting'
  | 'input'
  | 'forward'
  | 'output'
  | 'postrouting'
  | 'bridge output'
  | 'bridge postrouting'
  | 'egress'

export interface BaseChain {
  /** `ip filter`: the table's family and name. */
  readonly table: string
  readonly families: readonly Family[]
  readonly name: string
  readonly type: 'filter' | 'nat'
  readonly hook: Hook
  /** Those whose packets come to it; none: all. `eth*` is every name that begins so. */
  readonly devices: readonly string[]
  readonly priority: number
  readonly policy: 'accept' | 'drop'
}

/** All that other programs may do to a packet from outside. */
export interface Filters {
  readonly bases: readonly BaseChain[]
  /** By `table chain`. */
  readonly chains: Readonly<Record<string, Chain>>
  /** So many rules were enough, and the others were not read. */
  readonly cutShort: boolean
  /** Tables of iptables-legacy that the kernel did not give. */
  readonly refused: readonly string[]
}

/** Where a verdict was given. A handle of 0 is the policy of the chain. */
export interface Place {
  /** Of what is no rule. */
  readonly words?: string
  readonly table: string
  readonly chain: string
  readonly handle: number
}

/** Whose rule it is, where its place tells. */
export function programOf({ table, chain }: Pick<Place, 'table' | 'chain'>): string | null {
  const name = table.split(' ')[1] ?? ''
  if (/^ufw6?-/.test(chain)) return 'ufw'
  if (chain.startsWith('DOCKER') || name === 'docker-bridges') return 'Docker'
  if (chain.startsWith('KUBE-') || name === 'kube-proxy') return 'Kubernetes'
  if (name === 'firewalld' || name === 'firewalld_policy_drop') return 'firewalld'
  if (/^(NETAVARK|CNI)[-_]/.test(chain) || name === 'netavark') return 'Podman'
  if (/^f2b-/.test(chain) || name.startsWith('f2b-')) return 'Fail2Ban'
  if (/^crowdsec/i.test(name)) return 'CrowdSec'
  return name === 'libvirt_network' || chain.startsWith('LIBVIRT_') ? 'libvirt' : null
}

/** `ufw (table ip filter, chain ufw-user-input, rule handle 12)` */
export function describePlace(place: Place): string {
  const { table, chain, handle, words } = place
  if (words !== undefined) return words
  // Rules of iptables-legacy have no handles; they are numbered as `iptables -L --line-numbers` does.
  const rule = table.includes('-legacy ') ? `rule ${handle}` : `rule handle ${handle}`
  const where = `table ${table}, chain ${chain}, ${handle === 0 ? 'policy' : rule}`
  const by = programOf(place)
  return by ? `${by} (${where})` : where
}

export function keyOfPlace(place: Place | null): string {
  return place ? `${place.table} ${place.chain} ${place.handle}` : ''
}

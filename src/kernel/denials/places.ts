/** Where other programs keep whom they deny: sets of addresses, of nftables or ipset, and chains with a rule for each. */
import type { Prefix } from '../../model/address.ts'

/** Beginnings of names: of tables whose sets are such, of chains whose rules are, in whatever table, and of ipsets. */
export interface Interest {
  readonly tables: readonly string[]
  readonly chains: readonly string[]
  readonly ipsets: readonly string[]
}

export interface Place {
  /** `told`: it is no place in the kernel; its name is the program's. */
  readonly kind: 'set' | 'chain' | 'ipset' | 'told'
  /** As nft calls it: `inet`, `ip` or `ip6`. */
  readonly family: string
  readonly table: string
  readonly name: string
}

/** One element, or one rule. */
export interface Entry {
  /** Of an element its text, of a rule its handle. */
  readonly id: string
  readonly prefixes: readonly Prefix[]
  /** Milliseconds until the kernel forgets it, without a word; null: never. */
  readonly lasts: number | null
}

export interface Denials {
  readonly place: Place
  /** It is made of intervals: one element of it says nothing without the others. */
  readonly intervals?: boolean
  readonly entries: readonly Entry[]
}

/** What became of such a place. */
export interface DenialChange {
  readonly place: Place
  readonly added: readonly Entry[]
  /** By their ids. */
  readonly removed: readonly string[]
}

const families: Readonly<Record<number, string>> = { 1: 'inet', 2: 'ip', 10: 'ip6' }
const numbers: Readonly<Record<string, number>> = { inet: 1, ip: 2, ip6: 10 }

/** Undefined for families that see no packet of a forward: arp, bridge, netdev. */
export function familyName(number: number): string | undefined {
  return families[number]
}

export function familyNumber({ family }: Place): number {
  return numbers[family] ?? 0
}

export function isAmong(beginnings: readonly string[], name: string): boolean {
  return beginnings.some((beginning) => name.startsWith(beginning))
}

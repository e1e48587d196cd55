/**
 * What every neighbour is to us: other software that writes firewall rules on this machine. An accept of ours cannot
 * overrule a drop of theirs, so each is asked, by its own convention, for the narrowest rule there is: connections that
 * carry our mark. Nothing else of theirs is read twice, changed, stopped or reset.
 */
import type { Allowance, Unadmitted } from '../model/allowance.ts'
import { type ForeignChain, printChain } from '../model/foreign.ts'
import type { Mark } from '../model/gateway.ts'
import type { VersionOf } from './reading.ts'

export interface Presence {
  readonly version: string | null
  readonly active: boolean
  /** Its rule or policy that would drop forwarded packets; null: none. */
  readonly drops: string | null
  /** Its chains that would drop them, about which it is asked. */
  readonly chains: readonly ForeignChain[]
  /** What else is to be known of it while it is active. */
  readonly note: string | null
}

/** Chains as the place of a drop: `policy drop of table ip filter, chain FORWARD`. */
export function policyOf(chains: readonly ForeignChain[]): string | null {
  return chains.length === 0 ? null : `policy drop of ${chains.map(printChain).join(' and of ')}`
}

/** Where a neighbour decides who reaches the services of this machine itself. */
export interface Gate {
  /** How our rules there are told from others, in the words of whoever looks for them. */
  readonly place: string
  isActive(chains: readonly ForeignChain[]): boolean
  /**
   * Has these admitted, and nothing else of ours, by the neighbour's own tool, now and after its own reload; none: no byte of
   * ours is left. Twice is harmless, and of rules that are not ours none is touched. Gives what it cannot say; throws with
   * its words. It may take a second for each rule.
   */
  admit(wanted: readonly Allowance[], chains: readonly ForeignChain[]): Promise<readonly Unadmitted[]>
}

export interface Neighbour {
  readonly name: string
  /** Null: it has nothing to say about that. */
  readonly gate: Gate | null
  /** Where our connections are let through, in the words of whoever looks for it there. */
  readonly place: string
  /** What there is of it; null: it is not on this machine. Files and the chains given are looked at; no program is run. */
  see(chains: readonly ForeignChain[], versionOf: VersionOf): Presence | null
  /** Admits connections that carry the mark, now and after its own reload. Twice is harmless. Throws with its words. */
  letThrough(mark: Mark, chains: readonly ForeignChain[]): Promise<void>
  /** Takes that back, so that no byte of it is left. Twice is harmless. */
  withdraw(chains: readonly ForeignChain[]): Promise<void>
}

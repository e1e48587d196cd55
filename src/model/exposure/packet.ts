/** First packets on their way through the rules of a machine, many at once. */
import type { Family } from '../address.ts'
import type { Box } from './box.ts'
import type { Protocol } from './exposure.ts'
import type { Ranges } from './ranges.ts'
import type { FieldName, Place } from './rules.ts'

/** `unread`: they come on only if a rule that cannot be read lets them; `limit`: some do, by a rate or a number. */
export interface Doubt {
  readonly why: 'unread' | 'limit'
  readonly place: Place
}

/** Where destination NAT of others has sent packets, and what they asked for before. */
interface Translated {
  readonly place: Place
  /** Null: this machine; undefined: that cannot be read. */
  readonly address: string | null | undefined
  readonly ports: readonly [number, number] | null
  /** Null: the ports are as they were. */
  readonly fromPort: Ranges | null
  readonly fromAddress: Ranges
}

export interface Returns {
  readonly returns: Ranges | undefined
  readonly routed: Ranges | undefined
}

export interface Packets {
  readonly box: Box
  readonly doubt: Doubt | null
  /** The last rule that let them through; null: none had to. */
  readonly admitted: Place | null
  /** That rule names ports. */
  readonly named: boolean
  readonly translated: Translated | null
  /** Of an answer: what let the first packet through. */
  readonly came?: Pick<Packets, 'admitted' | 'named'>
}

export interface Closed {
  readonly packets: Packets
  readonly place: Place
}

/** What is the same for all of them at one place of the way; a field that is not here is not known. */
export interface Circumstances {
  readonly family: Family
  readonly protocol: Protocol
  readonly known: Readonly<Partial<Record<FieldName, bigint>>>
  /** Sources to which an answer would leave by the interface that they come by, or by any; undefined: not known. */
  readonly returns: Returns
  /** How many more divisions of boxes may be made: a ruleset of thousands of rules must not keep us busy. */
  readonly budget: { left: number }
}

/** The box of what they asked for before any translation. */
export function askedFor({ box, translated }: Packets): Box {
  if (!translated) return box
  return { ...box, port: translated.fromPort ?? box.port, address: translated.fromAddress }
}

/** What the outside can reach on this machine, and by which rule: the values that are seen, and what is made of them. */
import type { Address, Family } from '../address.ts'
import type { Container } from '../container.ts'
import type { Located } from '../endpoints.ts'
import type { Holder } from '../holder.ts'
import type { Transport } from '../listen.ts'
import type { Filters } from './rules.ts'

/** A socket that takes packets; `address` is 0.0.0.0 or :: for all. */
export interface Service {
  readonly protocol: Transport
  readonly address: string
  readonly families: readonly Family[]
  readonly port: number
  /** The one interface that it is bound to. */
  readonly interface: string | null
  /** An unconnected UDP socket on a port for the machine's own questions: it may be no service, but takes packets. */
  readonly question: boolean
  /** Null: too many to look up. */
  readonly holder: Holder | null
}

export interface LocalAddress extends Address {
  readonly interface: string
}

/** What the agent sees of all that matters here. */
export interface Machine {
  readonly services: readonly Service[]
  readonly filters: Filters
  /** The interfaces by which the outside comes. */
  readonly outside: readonly string[]
  readonly addresses: readonly LocalAddress[]
  /** The interface by which each target of a translation is reached. */
  readonly ways: Readonly<Record<string, string>>
  /** `4 eth0`: whether what comes by this interface is sent on to others. */
  readonly forwarding: readonly string[]
  readonly containers: readonly Container[]
  /** What the names that forwards have as targets stand for. */
  readonly whereabouts: Readonly<Record<string, readonly Located[]>>
}

/**
 * `forward`: declared here; `service`: a program of this machine; `translation`: destination NAT of another program;
 * `permission`: a rule that lets packets to a port on which nobody listens.
 */
type Kind = 'forward' | 'service' | 'translation' | 'permission'

export interface Exposure {
  readonly kind: Kind
  /** The forward's. */
  readonly name: string | null
  readonly protocols: readonly (Transport | 'icmp')[]
  readonly families: readonly Family[]
  /** `80,8000-8100`, '' for what has none. */
  readonly ports: string
  /** Those it is reached at; none: every address of this machine. */
  readonly addresses: readonly string[]
  /** The outside's interfaces by which it is reached, or would be. */
  readonly interfaces: readonly string[]
  /** `unread`: open as far as can be told, as a rule that may block it cannot be read. */
  readonly state: 'open' | 'unread' | 'closed'
  readonly anywhere: boolean
  /** Who may connect, in words. */
  readonly from: string
  /** Which rule of whom admits or blocks it, in words. */
  readonly rule: string
  /** Who serves it, or where it leads. */
  readonly behind: string
  /** Whether somebody is there to answer; null: not asked. */
  readonly answered: boolean | null
  /** UTC instant of the change that made it, or of when it was first seen; null: not known. */
  readonly since: string | null
  readonly declared: boolean
}

/** What nobody declared and the outside reaches. A machine's own question is none: it ends by itself. */
export function isUndeclared({ kind, state }: Exposure): boolean {
  return state !== 'closed' && (kind === 'service' || kind === 'translation')
}

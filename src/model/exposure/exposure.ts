/** What the outside can reach on this machine, and by which rule: the values that are seen, and what is made of them. */
import type { Address, Family } from '../address.ts'
import type { Container } from '../container.ts'
import type { Located } from '../endpoints.ts'
import type { Holder } from '../holder.ts'
import type { Transport } from '../listen.ts'
import type { Arrival, Program } from './arrivals.ts'
import type { BannedBy } from './banned.ts'
import type { Filters, Span } from './rules.ts'

/** Of IP; a number where it is none of those that are known by name. */
export type Protocol = Transport | 'icmp' | `protocol ${number}`

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

/** A socket that takes packets of a protocol of IP as they come. */
export interface RawSocket {
  readonly family: Family
  readonly protocol: number
  readonly address: string
  readonly user: string
}

export interface LocalAddress extends Address {
  readonly interface: string
}

/** Sources by where answers to them would go; hexadecimal, null where the routes cannot be told. */
export interface ReturnPath {
  readonly family: Family
  readonly interface: string
  /** rp_filter of IPv4: whether sources whose answers would not leave by this interface, or by none, are dropped. */
  readonly filter: 'none' | 'strict' | 'loose'
  readonly by: readonly Span[] | null
  readonly any: readonly Span[] | null
}

/** What the agent sees of all that matters here. */
export interface Machine {
  readonly services: readonly Service[]
  readonly filters: Filters
  /** The interfaces by which the outside comes. */
  readonly outside: readonly string[]
  /** By which devices, of each of them. */
  readonly arrivals: readonly Arrival[]
  /** What sees packets outside of all rules. */
  readonly programs: readonly Program[]
  readonly returns: readonly ReturnPath[]
  readonly addresses: readonly LocalAddress[]
  /** The interface by which each target of a translation is reached. */
  readonly ways: Readonly<Record<string, string>>
  /** `4 eth0`: whether what comes by this interface is sent on to others. */
  readonly forwarding: readonly string[]
  readonly containers: readonly Container[]
  /** What the names that forwards have as targets stand for. */
  readonly whereabouts: Readonly<Record<string, readonly Located[]>>
  /** Those of their endpoints that the health checks of forwards have found dead. */
  readonly down: Readonly<Record<string, readonly string[]>>
  /** At which ports proxies take up what comes by a forward, by its name. */
  readonly entrances: Readonly<Record<string, readonly number[]>>
  /** Interfaces that are bridges. */
  readonly bridges: readonly string[]
  /** Whom our own table keeps out of every forward. */
  readonly banned: readonly BannedBy[]
  /** The families in which the kernel answers echo requests. */
  readonly echo: readonly Family[]
  readonly raw: readonly RawSocket[]
}

/**
 * `forward`: declared here; `service`: a program of this machine; `translation`: destination NAT of another program;
 * `permission`: a rule that lets packets to a port on which nobody listens; `ping`: this machine answers echo requests;
 * `raw`: a program takes packets of another protocol.
 */
type Kind = 'forward' | 'service' | 'translation' | 'permission' | 'ping' | 'raw'

export interface Exposure {
  readonly kind: Kind
  /** The forward's. */
  readonly name: string | null
  readonly protocols: readonly Protocol[]
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
  /** Who of those is kept out of this forward as other programs have banned them, in words; '' when nobody is. */
  readonly banned: string
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

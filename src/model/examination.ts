/** What the agent finds when it examines a forward: measured, in bounded time, and told as plain values. */
import type { Address } from './address.ts'
import type { Ban } from './bans.ts'

/** How one way of asking a target went. */
export interface Knocks {
  readonly answers: number
  readonly refuses: number
  readonly silent: number
  readonly unreachable: number
  /** A rule of this machine keeps it from asking (EPERM): nothing is known then. */
  readonly forbidden: number
  /** Of those that were answered, the middle one; 0 when none was. */
  readonly milliseconds: number
}

/** What a target did with a connection that it had taken and that nobody said anything on. */
export type Held = 'open' | 'speaks' | 'closed' | 'reset'

/** How a datagram went: `quiet`: nobody said that the port is closed. */
export type Datagram = 'answers' | 'quiet' | 'refused' | 'unreachable'

export interface EndpointExam {
  /** `10.0.0.5:80` */
  readonly at: string
  readonly address: Address
  /** The first port of the opening as the target has it; null for ping. */
  readonly port: number | null
  readonly state: 'up' | 'draining' | 'down'
  /** It is an address of this machine. */
  readonly own: boolean
  readonly way: { readonly by: string; readonly via: string; readonly isDefault: boolean } | null
  /** Why there is no way: no route, or a route that says no. */
  readonly refusal: 'none' | 'blackhole' | 'unreachable' | 'prohibit' | null
  /** `fixed`: somebody has written the entry by hand. */
  readonly neighbour: 'there' | 'missing' | 'unasked' | 'own' | 'fixed'
  /** Null where TCP is not forwarded and was not asked. */
  readonly tcp: Knocks | null
  readonly held: Held | null
  /** Whether TCP is taken where only UDP is forwarded; null: not asked. */
  readonly alsoTcp: boolean | null
  readonly udp: Datagram | null
  /** The same of a port on which nobody is expected: whether the host tells of closed ports at all. */
  readonly closedPort: Datagram | null
  /** Null where this machine may not ping. */
  readonly pings: { readonly sent: number; readonly answered: number; readonly milliseconds: number } | null
  /** The largest packet that came through whole, of those tried; null where it could not be tried. */
  readonly size: { readonly fits: number; readonly link: number } | null
}

export interface LinkExam {
  readonly up: boolean
  readonly carrier: boolean
  readonly mtu: number
  readonly forwards4: boolean
  readonly forwards6: boolean
  /** 0: off, 1: strict, 2: loose; the larger of the interface's own and that of all. */
  readonly rpFilter: number
  /** Packets lost in or out since the machine started, as the interface counts them. */
  readonly errors: number
  readonly drops: number
}

/** What grew while it was looked. */
export interface Losses {
  readonly trackingFull: number
  readonly trackingClashes: number
  readonly reversePath: number
  readonly listenOverflows: number
  readonly softnet: number
}

/** Of a large pool so many are asked. */
export const mostExamined = 20

/** Connections of this forward that are tracked now. */
export interface FlowsExam {
  readonly answered: number
  /** The client has sent, and nothing came back through this machine, all the time while it was looked. */
  readonly unanswered: number
  /** Seconds since the last packet of the newest of each; null: there is none. */
  readonly sinceAnswered: number | null
  readonly sinceUnanswered: number | null
  /** The newest client among those that wait. */
  readonly example: string
  /** The most connections that this machine itself has with one target and port under one of its addresses. */
  readonly masqueraded: { readonly count: number; readonly to: string; readonly by: string } | null
  /** Of the client that was named. */
  readonly ofClient: number
}

interface MachineExam {
  readonly load: number
  readonly processors: number
  /** Parts of a hundred of the time that passed meanwhile. */
  readonly steal: number
  readonly softirq: number
  /** Parts of a hundred of the last ten seconds in which something waited for memory (PSI); null: not told. */
  readonly memory: number | null
}

export interface Examination {
  readonly links: Readonly<Record<string, LinkExam>>
  /** The addresses of this machine. */
  readonly addresses: readonly string[]
  /** The interfaces by which the outside comes. */
  readonly outside: readonly string[]
  readonly forwards4: boolean
  readonly forwards6: boolean
  readonly tracked: number
  readonly mostTracked: number
  readonly buckets: number
  readonly endpoints: readonly EndpointExam[]
  /** A rule of others may keep this machine from asking them, or lead what it sends another way than what it forwards. */
  readonly hindered: boolean
  readonly flows: FlowsExam
  readonly losses: Losses
  readonly machine: MachineExam
  /** Refused by sources and by limits since the forward was last changed, and how many of those while it was looked. */
  readonly refused: number
  readonly limited: number
  readonly limitedNow: number
  /** The interface by which the named client is reached; null: by none, or nobody was named. */
  readonly clientBy: string | null
  /** Who has banned the named client. */
  readonly bans: readonly Ban[]
  /** Lines of the logs of the last minutes that tell of packets for this forward that were dropped. */
  readonly logged: readonly string[]
  readonly milliseconds: number
}

/** What the API answers: shared by the routes and by every client of them. */
import type { Bans } from '../model/bans.ts'
import type { HealthSummary } from '../model/condition.ts'
import type { ForwardDocument, GatewayDocument } from '../model/document.ts'
import type { EndpointView } from '../model/endpoints.ts'
import type { Exposure } from '../model/exposure/exposure.ts'
import type { NeighbourView } from '../model/foreign.ts'
import type { NameView } from '../model/naming.ts'
import type { ProblemDetails } from '../model/problem.ts'

export interface ForwardView {
  readonly name: string
  /** The canonical document, as `export` would print it. */
  readonly forward: ForwardDocument
  /** What is true now, in words. */
  readonly sentence: string
  readonly state: 'on' | 'off'
  /** Connections let through, refused by sources and refused by limits, since the forward was last changed. */
  readonly connections: number
  readonly refused: number
  readonly limited: number
  /** How many of its targets are down, as their checks have found. */
  readonly down: number
  /** Where the host names and SRV names among its targets lead now. */
  readonly names: readonly NameView[]
  /** Whom other programs have banned, in the families of the forward; only where one forward is shown. */
  readonly bans?: Bans
  /** Where its connections go now, each with its share of them; only where one forward is shown. */
  readonly endpoints?: readonly EndpointView[]
}

export interface ForwardList {
  readonly generation: number
  readonly forwards: readonly ForwardView[]
}

/** The answer to every changing request. */
export interface Changed {
  /** False: it was already so, and nothing was written. */
  readonly changed: boolean
  readonly generation: number
  readonly plan: Plan
  /** What turned out when it was in force; what was known before stands in the plan. */
  readonly warnings: readonly string[]
  /** Which of the targets answer, and how: one sentence each, of some when there are many. */
  readonly reached: readonly string[]
  /** What probes through the forwards have shown: one sentence each, of some when there are many. */
  readonly proven: readonly string[]
  /** Set when the change is undone unless it is confirmed. */
  readonly pending: PendingView | null
}

/** A change that is in force but not kept yet. */
export interface PendingView {
  /** The generation that returns without a confirmation. */
  readonly base: number
  readonly deadline: string
  /** The confirmation must come over an SSH session that is newer than the change. */
  readonly new_session: boolean
}

/** Who did something, from where, when, how and why. */
export interface Deed {
  /** Counts entries of the log, from 1. */
  readonly entry: number
  /** The generation that it made, or that held. */
  readonly generation: number
  /** UTC instant. */
  readonly at: string
  /** The name of a user; `drawbridge` for what happens by itself. */
  readonly actor: string
  /** The user's number; null for what has none. */
  readonly uid: number | null
  /** Where the SSH session of the user came from, or `local`. */
  readonly address: string
  /** `cli`, `api`, `expiry`, `revert` or `health`; the first schema knew `rollback` and `lockdown` too. */
  readonly how: string
  /** What was asked for: open, close, enable, disable, drain, undrain, apply, rollback, lockdown, lift, confirm, rotate, accept, down, down --all, expiry, revert or health. */
  readonly command: string
  readonly note: string
  /** Covers this entry and, through the one before it, all older ones. */
  readonly hash: string
}

/** A change, in words. */
export interface HistoryEntry extends Deed {
  readonly lines: readonly PlanLine[]
  /** So many lines are left out. */
  readonly more: number
}

/** An entry of the audit log with all that it changed, as documents; nothing for an act such as a confirmation. */
export interface AuditEntry extends Deed {
  readonly forwards: Readonly<Record<string, Sides<ForwardDocument>>>
  readonly lists: Readonly<Record<string, Sides<readonly string[]>>>
  readonly settings: Sides<{ readonly privileged: boolean; readonly mark: string; readonly locked: boolean }>
}

export interface Sides<T> {
  readonly before: T | null
  readonly after: T | null
}

/** A place in the log: the hash after this entry. */
interface LogMark {
  readonly entry: number
  readonly generation: number
  readonly hash: string
}

/** Entries up to `base` lie in archives, those up to `head` in the store. */
export interface LogView {
  readonly base: LogMark
  readonly head: LogMark
}

export interface AuditPage extends LogView {
  /** The hash that the first entry of an unfiltered page follows. */
  readonly before: string
  /** Oldest first. */
  readonly entries: readonly AuditEntry[]
  /** After which entry the next page begins; null after the last. */
  readonly next: number | null
}

export interface Difference {
  readonly from: number
  readonly to: number
  readonly lines: readonly PlanLine[]
}

export interface PlanLine {
  readonly verb: 'add' | 'change' | 'remove'
  readonly what: 'forward' | 'list' | 'settings'
  readonly name: string
  /** What will be true; for a removal, what was. */
  readonly sentence: string
  /** What was true before a change. */
  readonly before?: string
}

export interface Plan {
  /** The generation on which it was made. */
  readonly based: number
  readonly lines: readonly PlanLine[]
  /** So many lines are left out of the answer to a change that has been made; a plan has all of them. */
  readonly more: number
  /** The elements that change, as nft would be told. */
  readonly nft: string
  /** Why it would be refused as it is. */
  readonly conflicts: readonly ProblemDetails[]
  readonly warnings: readonly string[]
  /** Where the names among the targets of what is put lead now; of many the first. */
  readonly names: readonly NameView[]
  /** Live connections that would not stay as they are; null where that was not asked or is not known. */
  readonly flows: readonly FlowEffect[] | null
  /** Why it must be made with `confirm`: what it touches of what the operator stands on. */
  readonly confirm: readonly string[]
}

/** Connections of one forward that a change treats alike. */
export interface FlowEffect {
  readonly forward: string
  /** `move`: the next packet goes to the new target; `break`: ended; `drain`: goes on as it is until it ends. */
  readonly fate: 'move' | 'drain' | 'break'
  readonly flows: number
  /** Where the clients are, the busiest first: networks of /24 (IPv4) or /64 (IPv6). */
  readonly networks: readonly { readonly network: string; readonly flows: number }[]
  /** Further networks that are not named. */
  readonly more: number
}

/** Since the agent started. */
export interface Repairs {
  readonly count: number
  readonly last: {
    readonly at: string
    readonly by: string
    readonly pid: number
    readonly milliseconds: number
  } | null
  /** Another program keeps writing to our table, and each repair waits. */
  readonly fighting: boolean
  /** Why the last repair was refused; '' when it was not. It is tried again. */
  readonly refused: string
}

export interface Status {
  /** Everything wanted is in the kernel. */
  readonly ready: boolean
  /** The generation that is wanted. */
  readonly generation: number
  /** The generation that the kernel holds, or null while that is not known. */
  readonly kernel: number | null
  readonly agent: 'up' | 'away'
  readonly forwards: number
  readonly problem: ProblemDetails | null
  /** How often another program's changes to our table were mended since the agent started; null while it is away. */
  readonly repairs: Repairs | null
  readonly pending: PendingView | null
  /** What else of this machine wants the packets of forwards: a sentence each. */
  readonly conflicts: readonly string[]
  /** Other software that writes firewall rules here, and what it does with connections of forwards. */
  readonly neighbours: readonly NeighbourView[]
  /** Whom other programs have banned, and who is kept out of every forward for that. */
  readonly bans: Bans
  /** What the checks of targets have found. */
  readonly health: HealthSummary
  /** How many names forwards have as targets, and those of them that had no good answer last; of many the first. */
  readonly names: { readonly count: number; readonly troubled: readonly NameView[]; readonly more: number }
  /** The lockdown is on: no forward is open. */
  readonly locked: boolean
  readonly version: string
}

/** Everything on this machine that the outside can reach. */
export interface ExposurePage {
  readonly generation: number
  /** Forwards each once, then what nobody declared. */
  readonly exposures: readonly Exposure[]
  /** Of how many open forwards it was not asked whether their targets answer; those that are named are asked. */
  readonly unasked: number
  /** How many of them are open and nobody has declared. */
  readonly undeclared: number
  /** What could not be seen. */
  readonly warnings: readonly string[]
}

export interface GatewayView {
  readonly generation: number
  readonly gateway: GatewayDocument
}

export interface OpenRequest extends Trial {
  readonly forward: ForwardDocument | string
  readonly privileged?: boolean | undefined
  /** Services of this machine on the same port may be hidden. */
  readonly take_over?: boolean | undefined
}

export interface ApplyRequest extends Trial {
  readonly gateway: unknown
  /** Forwards and lists that the file does not name are removed. */
  readonly prune?: boolean | undefined
  readonly privileged?: boolean | undefined
  /** Services of this machine on the same port may be hidden. */
  readonly take_over?: boolean | undefined
}

/** A probe as if it came from `from`, which is an address. */
export interface TraceRequest {
  /** Of a forward, or its opening. */
  readonly name: string
  readonly from: string
  /** Left out: the first of the opening. */
  readonly protocol?: 'tcp' | 'udp' | undefined
  readonly port?: number | undefined
  /** Bytes of the packet, which must not be fragmented then. */
  readonly size?: number | undefined
}

export interface RollbackRequest extends Trial {
  /** The generation to go back to; left out: the one before the present one. */
  readonly to?: number | undefined
}

/** Forwards to close, enable or disable, by name or by opening: all of them, or none. */
export interface NamesRequest extends Trial {
  readonly names: readonly string[]
}

export interface EnableRequest extends NamesRequest {
  /** Services of this machine on the same port may be hidden. */
  readonly take_over?: boolean | undefined
}

/** Targets of one forward, as they are written or by their hosts. */
export interface DrainRequest extends Trial {
  readonly name: string
  readonly targets: readonly string[]
  /** True: they are given no new connection; false: they are again. */
  readonly drain: boolean
}

export interface LockdownRequest extends Trial {
  readonly lift: boolean
}

/** What every change can be asked with. */
export interface Trial {
  /** Refuses the change when the gateway has moved on since that generation. */
  readonly based?: number | undefined
  readonly dry_run?: boolean | undefined
  /** Seconds within which the change must be confirmed; 0: it need not be, also where that would be required. */
  readonly confirm?: number | undefined
  readonly note?: string | undefined
}

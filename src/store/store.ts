/** The desired gateway, versioned: every change is one generation with its author and time, whole or not at all. */

import type { ForwardDocument } from '../model/document.ts'
import type { Change, Circumstances, Register } from '../model/register.ts'

/** What was asked for, or what happened by itself. */
export type Command =
  | 'open'
  | 'close'
  | 'enable'
  | 'disable'
  | 'drain'
  | 'undrain'
  | 'apply'
  | 'rollback'
  | 'lockdown'
  | 'lift'
  | 'confirm'
  | 'rotate'
  | 'accept'
  | 'down'
  | 'down --all'
  | 'expiry'
  | 'revert'
  | 'health'

/** Who did something, from where, when, how and why. */
export interface Origin {
  /** The name of a user; `drawbridge` for what happens by itself. */
  readonly actor: string
  /** The user's number; null for what has none. */
  readonly uid: number | null
  /** Where the SSH session of the user came from, or `local`. */
  readonly address: string
  readonly how: 'cli' | 'api' | 'expiry' | 'revert' | 'health'
  readonly command: Command
  /** UTC instant. */
  readonly at: string
  readonly note: string
}

/** What has changed since a generation, by name. */
export interface Touched {
  readonly forwards: ReadonlySet<string>
  readonly lists: ReadonlySet<string>
}

/** One thing that a change named, as it was and as it is; null where it was or is not there. */
export interface BeforeAfter<T> {
  readonly before: T | null
  readonly after: T | null
}

/** An entry of the log: who, when, how, and everything that was changed; nothing for an act such as a confirmation. */
export interface Recorded extends Omit<Origin, 'how' | 'command'> {
  /** Counts entries, from 1. */
  readonly entry: number
  /** The generation that the entry made, or that held. */
  readonly generation: number
  /** The first schema knew `rollback` and `lockdown` too, and no command. */
  readonly how: Origin['how'] | 'rollback' | 'lockdown'
  readonly command: Command | ''
  readonly forwards: Readonly<Record<string, BeforeAfter<ForwardDocument>>>
  readonly lists: Readonly<Record<string, BeforeAfter<readonly string[]>>>
  readonly settings: BeforeAfter<SettingsDocument>
  /** Covers this entry and, through the one before it, all older ones. */
  readonly hash: string
}

/** Settings as they are kept. */
export interface SettingsDocument {
  readonly privileged: boolean
  readonly mark: string
  readonly locked: boolean
}

/** A moment by the time since a start of the machine, which is comparable with moments of the same start alone. */
export interface Uptime {
  readonly boot: string
  readonly milliseconds: number
}

/** A change that is in force but not kept: unless it is confirmed in time, everything is as in generation `base` again. */
export interface Pending {
  readonly base: number
  /** UTC instant. */
  readonly deadline: string
  readonly windowMilliseconds: number
  /** When the window began. */
  readonly began?: Uptime | undefined
  /** The sessions that were open before; where they are given, only a newer one may confirm. */
  readonly sessions?: readonly string[]
}

/** A place in the log: the hash after this entry, and the generation that held then. */
export interface Mark {
  readonly entry: number
  readonly generation: number
  readonly hash: string
}

/** Entries up to `base` lie in archives, those up to `head` in the store. */
interface LogEnds {
  readonly base: Mark
  readonly head: Mark
}

export interface LogPage {
  /** The hash that the first of the entries follows. */
  readonly before: string
  readonly entries: readonly Recorded[]
}

export interface CommitOptions {
  /** The generation that the change was made on. */
  readonly based?: number | undefined
  /** Have the change confirmed within so many milliseconds. */
  readonly confirmWithin?: number | undefined
  /** When that is. */
  readonly uptime?: Uptime | undefined
  /** Sessions that may not confirm it. */
  readonly sessions?: readonly string[] | undefined
}

export interface Store {
  /** 0 before the first change. */
  readonly generation: number
  /** What is wanted now. Read it; only `commit` changes it. */
  readonly register: Register
  /** The number that stands for this forward in the kernel; it is given once and never again. */
  numberOf(name: string): number
  /**
   * Makes `change` the next generation, durably, and gives its number. Throws `stale-generation` when `based` is not
   * the present one, `unconfirmed` while another change waits, or whatever problem the change would make; then nothing has changed.
   */
  commit(change: Change, origin: Origin, circumstances: Circumstances, options?: CommitOptions): number
  /** The change that waits for its confirmation, if one does; meanwhile only expiry and the revert may commit. */
  readonly pending: Pending | null
  /** Keeps the pending change, durably, and gives the entry that says so. */
  confirm(origin: Origin): Recorded
  /** Enters an act that changes nothing of the gateway, durably. */
  record(origin: Origin): Recorded
  /** The number that the next new forward will be given. */
  readonly nextNumber: number
  /** What changed after `generation`, or undefined when that is too long ago to know. */
  since(generation: number): Touched | undefined
  /** The changes that made the generations above `after`, newest first, at most `most` of them. */
  history(after: number, most: number): readonly Recorded[]
  readonly log: LogEnds
  /** Entries of the log above number `after`, oldest first, at most `most` and fewer when they are large; archives too. */
  entries(after: number, most: number): Promise<LogPage>
  /** The number above which the entries lie that were made after generation `after`, or at `since` and later. */
  startOf(after: number, since: string): number
  /** Moves all but the newest `keep` entries to archives; a change that waits for its confirmation keeps its way back. */
  archive(keep: number): Promise<void>
  /** What the store takes on the disk. */
  bytes(): number
  /** Calls `listener` with each new entry when it is kept. */
  onCommit(listener: (record: Recorded) => void): void
  close(): void
}

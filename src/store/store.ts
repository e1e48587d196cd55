/** The desired gateway, versioned: every change is one generation with its author and time, whole or not at all. */

import type { ForwardDocument } from '../model/document.ts'
import type { Change, Circumstances, Register } from '../model/register.ts'
import type { Verdict } from './chain.ts'

/** Who changed something, when and how. */
export interface Origin {
  readonly actor: string
  readonly how: 'cli' | 'api' | 'expiry' | 'rollback' | 'revert' | 'lockdown'
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

/** A change as it is kept for ever: who, when, how, and everything it named. */
export interface Recorded extends Origin {
  readonly generation: number
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
}

export interface CommitOptions {
  /** The generation that the change was made on. */
  readonly based?: number | undefined
  /** Have the change confirmed within so many milliseconds. */
  readonly confirmWithin?: number | undefined
  /** When that is. */
  readonly uptime?: Uptime | undefined
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
  /** Keeps the pending change, durably. */
  confirm(): void
  /** The number that the next new forward will be given. */
  readonly nextNumber: number
  /** What changed after `generation`, or undefined when that is too long ago to know. */
  since(generation: number): Touched | undefined
  /** The changes that made the generations above `after`, newest first, at most `most` of them. */
  history(after: number, most: number): readonly Recorded[]
  /** Reads every change that was ever made and checks that they are what was written, and all of it. */
  verify(): Verdict
  /** Calls `listener` after each commit, with what was kept, and after each confirmation, with nothing. */
  onCommit(listener: (record?: Recorded) => void): void
  close(): void
}

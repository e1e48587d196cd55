/** The desired gateway, versioned: every change is one generation with its author and time, whole or not at all. */
import type { Change, Circumstances, Register } from '../model/register.ts'

/** Who changed something, when and how. */
export interface Origin {
  readonly actor: string
  readonly how: 'cli' | 'api' | 'expiry'
  /** UTC instant. */
  readonly at: string
  readonly note: string
}

/** What has changed since a generation, by name. */
export interface Touched {
  readonly forwards: ReadonlySet<string>
  readonly lists: ReadonlySet<string>
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
   * the present one, or whatever problem the change would make; then nothing has changed.
   */
  commit(change: Change, origin: Origin, circumstances: Circumstances, based?: number): number
  /** The number that the next new forward will be given. */
  readonly nextNumber: number
  /** What changed after `generation`, or undefined when that is too long ago to know. */
  since(generation: number): Touched | undefined
  /** Calls `listener` after each commit. */
  onCommit(listener: () => void): void
  close(): void
}

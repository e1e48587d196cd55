/** What every store does in memory: the register, the numbers and which generation touched what. Persistence is the store's. */

import { chainStart } from '../chain.ts'
import { Problem } from '../model/problem.ts'
import type { Change, Circumstances } from '../model/register.ts'
import { Register } from '../model/register.ts'
import { entryAfter, keptOf, nothingChanged } from './record.ts'
import type { Command, CommitOptions, Mark, Origin, Pending, Recorded, Touched } from './store.ts'

/** So many generations back, a follower is told what changed instead of everything. */
const remembered = 1000

/** What a commit has to make durable, all or nothing. */
export interface Kept {
  readonly record: Recorded
  /** The numbers given to forwards that are new. */
  readonly given: ReadonlyMap<string, number>
  readonly pending: Pending | null
}

export class Ledger {
  readonly register = new Register()
  readonly numbers = new Map<string, number>()
  generation = 0
  pending: Pending | null = null
  /** The newest entry of the log, and the newest that lies in an archive. */
  head = logStart
  base = logStart
  /** The next number to give. */
  nextNumber = 1
  readonly #touched = new Map<number, Touched>()
  readonly #listeners: ((record: Recorded) => void)[] = []

  /** Takes `change` over when `persist` has made it durable; undone when that throws. */
  commit(
    change: Change,
    origin: Origin,
    circumstances: Circumstances,
    options: CommitOptions,
    persist: (kept: Kept) => void,
  ): number {
    refuseStale(this.generation, options.based)
    refuseUnconfirmed(this.pending, origin, options)
    const generation = this.generation + 1
    const record = entryAfter(this.head, generation, origin, keptOf(this.register, change))
    const undo = this.register.apply(change, circumstances)
    const given = this.#give(change)
    const pending = this.#pendingAfter(origin, options)
    try {
      persist({ record, given, pending })
    } catch (error) {
      undo()
      throw error
    }
    for (const name of change.remove) if (!this.register.forwards.has(name)) this.numbers.delete(name)
    for (const [name, number] of given) this.numbers.set(name, number)
    this.nextNumber += given.size
    this.generation = generation
    this.pending = pending
    this.#touched.set(this.generation, touchedBy(change))
    this.#touched.delete(this.generation - remembered)
    this.#enter(record)
    return generation
  }

  /** An act that changes nothing of the gateway, which `persist` makes durable; a confirmation ends the wait. */
  act(origin: Origin, persist: (record: Recorded) => void): Recorded {
    const record = entryAfter(this.head, this.generation, origin, nothingChanged)
    persist(record)
    if (origin.command === 'confirm') this.pending = null
    this.#enter(record)
    return record
  }

  #enter(record: Recorded): void {
    this.head = markOf(record)
    for (const listener of this.#listeners) {
      try {
        listener(record)
      } catch (error) {
        // What is kept is kept: the commit must not look failed because somebody who was told has stumbled.
        process.stderr.write(`drawbridge: after a commit: ${(error as Error).message}\n`)
      }
    }
  }

  #pendingAfter({ how, at }: Origin, { confirmWithin, uptime, sessions }: CommitOptions): Pending | null {
    if (how === 'revert') return null
    if (confirmWithin === undefined) return this.pending
    const deadline = new Date(Date.parse(at) + confirmWithin).toISOString()
    const own = sessions && { sessions }
    return { base: this.generation, deadline, windowMilliseconds: confirmWithin, began: uptime, ...own }
  }

  #give(change: Change): Map<string, number> {
    const fresh = change.put.filter(({ name }) => !this.numbers.has(name))
    return new Map(fresh.map(({ name }, index) => [name, this.nextNumber + index]))
  }

  numberOf(name: string): number {
    const number = this.numbers.get(name)
    if (number === undefined) throw new Error(`forward ${name} has no number`)
    return number
  }

  since(generation: number): Touched | undefined {
    const forwards = new Set<string>()
    const lists = new Set<string>()
    for (let at = generation + 1; at <= this.generation; at += 1) {
      const touched = this.#touched.get(at)
      if (!touched) return undefined
      for (const name of touched.forwards) forwards.add(name)
      for (const name of touched.lists) lists.add(name)
    }
    return generation <= this.generation ? { forwards, lists } : undefined
  }

  onCommit(listener: (record: Recorded) => void): void {
    this.#listeners.push(listener)
  }
}

const logStart: Mark = { entry: 0, generation: 0, hash: chainStart }

export function markOf({ entry, generation, hash }: Mark): Mark {
  return { entry, generation, hash }
}

function touchedBy({ put, remove, putLists, removeLists }: Change): Touched {
  return {
    forwards: new Set([...remove, ...put.map(({ name }) => name)]),
    lists: new Set([...removeLists, ...putLists.map(({ name }) => name)]),
  }
}

function refuseStale(now: number, based: number | undefined): void {
  if (based !== undefined && based !== now) throw Problem.of('stale-generation', { based, now })
}

/** What may happen while a change waits. */
const neverWait: readonly Command[] = ['revert', 'expiry', 'lockdown', 'lift']

/** Two trials at a time would have one keep what the other was to undo. */
function refuseUnconfirmed(
  pending: Pending | null,
  { command }: Origin,
  { confirmWithin }: CommitOptions,
): void {
  if (pending && (confirmWithin !== undefined || !neverWait.includes(command))) {
    throw Problem.of('unconfirmed', { base: pending.base, deadline: pending.deadline })
  }
}

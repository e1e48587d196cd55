/** Keeps the boot file at the last confirmed state, and tries again by itself while it cannot be written. */
import type { Family } from '../model/address.ts'
import { namesContainer } from '../model/endpoints.ts'
import type { Forward } from '../model/forward.ts'
import type { BootFile, Expiring } from './boot.ts'

interface Whole {
  readonly text: string
  readonly families: readonly Family[]
  readonly expiring: readonly Expiring[]
}

const retryAfter = 2000

/** What the next boot is to load of a change: the same elements, others, or what it would load without it. */
export type Boots = 'the same' | 'otherwise' | 'nothing new'

/** What ends by itself is to end at a boot too, and where containers are is not known then. */
export function bootsOtherwise(forward: Forward): boolean {
  return forward.expires !== null || namesContainer(forward)
}

export class Booting {
  readonly #file: BootFile
  readonly #whole: () => Whole
  /** The generation in the file, as far as this process has written it. */
  #booted: number | null = null
  /** The generation that could not be written, while it is what is held. */
  #owed: number | null = null
  #trouble = ''
  #newest: number
  #inTurn: ((work: () => Promise<void>) => Promise<void>) | undefined

  constructor(file: BootFile, whole: () => Whole) {
    this.#file = file
    this.#whole = whole
    this.#newest = file.generation()
  }

  /** Why the last state could not be written; '' when it could. */
  get trouble(): string {
    return this.#trouble
  }

  /** The newest generation that was to be kept, as far as anybody remembers; 0 when nobody does. */
  get newest(): number {
    return this.#newest
  }

  get booted(): number | null {
    return this.#booted
  }

  retryIn(inTurn: (work: () => Promise<void>) => Promise<void>): void {
    this.#inTurn = inTurn
  }

  /** What is held from now on may be undone: it must not get into the file. */
  hold(): void {
    this.#owed = null
  }

  /** The file gets everything: at the first message, after a change that was on trial, and now and then. */
  rewrite(generation: number): void {
    const { text, ...state } = this.#whole()
    this.#settle(generation, () => {
      this.#file.rewrite(text, { generation, ...state })
      return true
    })
  }

  /** Adds what changed since `base`, or writes everything where that does not fit. */
  append(generation: number, base: number, text: string, families: readonly Family[]): void {
    const follows = this.#booted === base
    const done = this.#settle(
      generation,
      () => follows && this.#file.append(text, { generation, families, expiring: [] }),
    )
    if (!done) this.rewrite(generation)
  }

  forget(): void {
    this.#file.forget()
    this.#booted = null
    this.#owed = null
    this.#newest = 0
    this.#trouble = ''
  }

  #settle(generation: number, write: () => boolean): boolean {
    this.#newest = generation
    this.#booted = null
    this.#owed = null
    try {
      this.#trouble = ''
      if (!write()) return false
      this.#booted = generation
      return true
    } catch (error) {
      // The kernel already holds the change: a full disk must not make it look refused, but it must be seen.
      this.#trouble = (error as Error).message
      this.#owed = generation
      this.#retryLater()
      return true
    }
  }

  #retryLater(): void {
    const timer = setTimeout(() => {
      void this.#inTurn?.(async () => {
        if (this.#owed !== null) this.rewrite(this.#owed)
      })
    }, retryAfter)
    timer.unref()
  }
}

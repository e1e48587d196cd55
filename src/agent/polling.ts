/** Looks at the ipsets of programs that ban: nobody tells of what changes in them. */

import type { IpsetHead } from '../kernel/denials/ipsets.ts'
import type { Door } from '../kernel/door.ts'
import type { BanBook, Moment } from './banbook.ts'

/** While there is one. A change acts within two seconds. */
export const pollEvery = 1000
/** A set that has as many elements as before is read again after so many times what reading it took. */
const share = 10

interface Seen {
  readonly count: number
  readonly until: number
}

export class Polling {
  readonly #door: Door
  readonly #beginnings: readonly string[]
  readonly #seen = new Map<string, Seen>()

  constructor(door: Door, beginnings: readonly string[]) {
    this.#door = door
    this.#beginnings = beginnings
  }

  /** Brings the book up to date; whether there is any such set. */
  async look(book: BanBook, moment: () => Moment): Promise<boolean> {
    const heads = await this.#door.ipsetHeads(this.#beginnings)
    book.keepOnly(
      ['ipset'],
      heads.map(({ place }) => place),
    )
    const names = new Set(heads.map(({ place }) => place.name))
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name)
    for (const head of heads) await this.#read(head, book, moment)
    return heads.length > 0
  }

  async #read({ place, count }: IpsetHead, book: BanBook, moment: () => Moment): Promise<void> {
    const before = this.#seen.get(place.name)
    const began = performance.now()
    if (before?.count === count && began < before.until) return
    book.replaceIn(await this.#door.ipset(place), moment())
    const now = performance.now()
    this.#seen.set(place.name, { count, until: now + (now - began) * share })
  }
}

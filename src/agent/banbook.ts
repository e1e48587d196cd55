/** Whom other programs have banned, place by place, and the elements of ours that follow from it. No effects, no clock. */
import type { Difference } from '../compile/difference.ts'
import type { Element } from '../compile/element.ts'
import { bannedElement } from '../compile/elements.ts'
import { readSetName } from '../compile/sets.ts'
import type { DenialChange, Denials, Entry, Place } from '../kernel/denials/places.ts'
import { type Address, type Family, networkOf, type Prefix, printPrefix } from '../model/address.ts'
import type { Ban, Bans } from '../model/bans.ts'

interface Listed {
  readonly kind: Place['kind']
  readonly by: string
  /** One change of it says nothing without the others. */
  readonly intervals: boolean
  readonly entries: Map<string, Known>
}

interface Known {
  readonly by: string
  readonly prefixes: readonly Prefix[]
  readonly since: string
  /** By the clock of `now`; infinite: until its program ends it. */
  ends: number
}

/** What all places together say of one prefix. */
interface Banned {
  readonly prefix: Prefix
  /** One for each entry that names it, the oldest first. */
  readonly entries: Set<Known>
}

/** What time it is: `at` as a UTC instant, `now` in milliseconds of a clock that nobody sets. */
export interface Moment {
  readonly at: string
  readonly now: number
}

const mostNamed = 10

export class BanBook {
  readonly #bannerOf: (place: Place) => string | undefined
  readonly #places = new Map<string, Listed>()
  /** Those that end by themselves, and where they stand. */
  readonly #timed = new Map<Known, { readonly key: string; readonly id: string }>()
  /** By their text; the newest last. */
  readonly #banned = new Map<string, Banned>()
  /** What may differ between what is wanted and what is held. */
  readonly #touched = new Set<string>()
  readonly #held = new Map<string, Element>()
  /** How many elements each set holds. */
  readonly #sets = new Map<string, number>()

  constructor(bannerOf: (place: Place) => string | undefined) {
    this.#bannerOf = bannerOf
  }

  /** All there is now in the places of these kinds; who stays keeps the time since when. */
  replace(kinds: readonly Place['kind'][], all: readonly Denials[], moment: Moment): void {
    this.keepOnly(
      kinds,
      all.map(({ place }) => place),
    )
    for (const one of all) this.replaceIn(one, moment)
  }

  /** Of these kinds there are no other places. */
  keepOnly(kinds: readonly Place['kind'][], places: readonly Place[]): void {
    const kept = new Set(places.map(keyOf))
    for (const [key, { kind, entries }] of this.#places) {
      if (!kinds.includes(kind) || kept.has(key)) continue
      for (const id of [...entries.keys()]) this.#forget(key, id)
      this.#places.delete(key)
    }
  }

  /** All there is now in one place. */
  replaceIn({ place, entries, intervals = false }: Denials, moment: Moment): void {
    const by = this.#bannerOf(place)
    if (by === undefined) return
    const key = keyOf(place)
    const listed = this.#places.get(key)?.entries ?? new Map<string, Known>()
    this.#places.set(key, { kind: place.kind, by, intervals, entries: listed })
    const stays = new Set(entries.map(({ id }) => id))
    for (const id of [...listed.keys()]) if (!stays.has(id)) this.#forget(key, id)
    for (const entry of entries) this.#take(key, entry, moment)
  }

  /** False: the place has to be read as a whole. */
  change({ place, added, removed }: DenialChange, moment: Moment): boolean {
    const key = keyOf(place)
    const known = this.#places.get(key)
    if (!known || known.intervals) return this.#bannerOf(place) === undefined
    for (const id of removed) this.#forget(key, id)
    for (const entry of added) this.#take(key, entry, moment)
    return true
  }

  #take(key: string, { id, prefixes, lasts }: Entry, { at, now }: Moment): void {
    const place = this.#places.get(key)
    if (!place) return
    const { by, entries } = place
    const ends = lasts === null ? Number.POSITIVE_INFINITY : now + lasts
    const before = entries.get(id)
    const known = before ?? { by, prefixes, since: at, ends }
    known.ends = ends
    if (lasts === null) this.#timed.delete(known)
    else this.#timed.set(known, { key, id })
    if (before) return
    entries.set(id, known)
    for (const prefix of prefixes) {
      const text = printPrefix(prefix)
      const banned = this.#banned.get(text)
      if (banned) banned.entries.add(known)
      else this.#banned.set(text, { prefix, entries: new Set([known]) })
      this.#touched.add(text)
    }
  }

  #forget(key: string, id: string): void {
    const entries = this.#places.get(key)?.entries
    const known = entries?.get(id)
    if (!entries || !known) return
    entries.delete(id)
    this.#timed.delete(known)
    for (const prefix of known.prefixes) {
      const text = printPrefix(prefix)
      const banned = this.#banned.get(text)
      banned?.entries.delete(known)
      if (banned?.entries.size === 0) this.#banned.delete(text)
      this.#touched.add(text)
    }
  }

  /** Forgets whose time is over; gives when the next one's is, infinite when nobody's ends by itself. */
  expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [known, { key, id }] of this.#timed) {
      if (known.ends <= now) this.#forget(key, id)
      else next = Math.min(next, known.ends)
    }
    return next
  }

  /** What makes the elements that are held those that are wanted. */
  difference(): Difference {
    const [remove, add]: [Element[], Element[]] = [[], []]
    for (const text of this.#touched) {
      const [banned, held] = [this.#banned.get(text), this.#held.get(text)]
      if (banned && !held) add.push(bannedElement(banned.prefix))
      else if (!banned && held) remove.push(held)
      else this.#touched.delete(text)
    }
    return { remove, add }
  }

  /** From now on these are held, or are not any more. */
  hold({ remove, add }: Difference): void {
    for (const element of remove) {
      this.#held.delete(textOf(element))
      this.#count(element.set, -1)
    }
    for (const element of add) {
      this.#held.set(textOf(element), element)
      this.#count(element.set, 1)
    }
  }

  #count(set: string, step: 1 | -1): void {
    const count = (this.#sets.get(set) ?? 0) + step
    if (count > 0) this.#sets.set(set, count)
    else this.#sets.delete(set)
  }

  /** The elements that are held. */
  elements(): Iterable<Element> {
    return this.#held.values()
  }

  /** The sets that have elements. */
  used(): readonly string[] {
    return [...this.#sets.keys()]
  }

  /** Whether the address is kept out. */
  keepsOut(address: Address): boolean {
    return this.used().some((name) => {
      const set = readSetName(name)
      if (set?.kind !== 'banned' || set.family !== address.family) return false
      const { family, length } = set
      return this.#held.has(printPrefix({ family, length, text: networkOf(address, length) }))
    })
  }

  /** Whose bans hold this address, by the prefix that each names; only those that are in force. */
  holding(address: Address): readonly Omit<Ban, 'dropped'>[] {
    return this.used().flatMap((name) => {
      const set = readSetName(name)
      if (set?.kind !== 'banned' || set.family !== address.family) return []
      const { family, length } = set
      const text = printPrefix({ family, length, text: networkOf(address, length) })
      if (!this.#held.has(text)) return []
      return [...(this.#banned.get(text)?.entries ?? [])].map(({ by, since }) => ({
        address: text,
        by,
        since,
      }))
    })
  }

  /** In these families. `dropped` is not known here. */
  tell(families: readonly Family[]): Bans {
    const counts = new Map<string, number>()
    const newest: (Known & { readonly address: string })[] = []
    let count = 0
    for (const [address, { prefix, entries }] of this.#banned) {
      if (!families.includes(prefix.family)) continue
      count += 1
      const programs = new Map([...entries].reverse().map((known) => [known.by, known]))
      for (const [by, known] of programs) {
        counts.set(by, (counts.get(by) ?? 0) + 1)
        newest.push({ ...known, address })
        if (newest.length > mostNamed) newest.shift()
      }
    }
    return {
      count,
      by: [...counts].map(([by, many]) => ({ by, count: many })).sort((a, b) => b.count - a.count),
      newest: newest.reverse().map(({ address, by, since }) => ({ address, by, since, dropped: 0 })),
    }
  }

  /** Everybody, by whom. */
  *everybody(): Generator<{ readonly by: string; readonly prefix: Prefix }> {
    for (const { prefix, entries } of this.#banned.values())
      for (const by of new Set([...entries].map((known) => known.by))) yield { by, prefix }
  }

  /** The element of ours that stands for `text`. */
  elementFor(text: string): Element | undefined {
    return this.#held.get(text)
  }
}

function keyOf({ kind, family, table, name }: Place): string {
  return `${kind} ${family} ${table} ${name}`
}

function textOf({ set, key }: Element): string {
  const found = readSetName(set)
  return found?.kind === 'banned'
    ? printPrefix({ family: found.family, length: found.length, text: key })
    : ''
}

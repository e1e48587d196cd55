/** Keeps whom other programs have banned out of the forwards too, as soon as the kernel tells of it. */

import type { InTurn } from '../inturn.ts'
import type { DenialChange } from '../kernel/denials/places.ts'
import type { Door } from '../kernel/door.ts'
import type { Report } from '../kernel/watcher.ts'
import { type Family, readPrefix } from '../model/address.ts'
import type { Bans } from '../model/bans.ts'
import type { Mark } from '../model/gateway.ts'
import { banInterest, bannerOf } from '../neighbours/bans.ts'
import { BanBook, type Moment } from './banbook.ts'
import { follower, type Rhythm } from './guarding.ts'
import type { Holding } from './holding.ts'
import type { Keeper } from './keeper.ts'
import { Polling, pollEvery } from './polling.ts'
import type { AnswerOf, BanMessage } from './protocol.ts'

/** A ban acts within two seconds, also behind another that has just been looked at. */
const rhythm: Rhythm = { every: 200, share: 4, longest: 1000, anyway: 60_000 }

/** So much that nobody has looked at yet is forgotten, and all is read instead. */
const mostHeard = 50_000

export class Banning {
  readonly book = new BanBook(bannerOf)
  readonly interest = banInterest
  readonly #door: Door
  readonly #polling: Polling
  #look: (() => void) | undefined
  /** What has changed since the last look; null: all must be read. */
  #heard: DenialChange[] | null = null

  constructor(door: Door) {
    this.#door = door
    this.#polling = new Polling(door, banInterest.ipsets)
  }

  /** Takes over what a program says by the controller; it acts with the next look. */
  take({ by, whole, added, removed }: BanMessage): AnswerOf['ban'] {
    const place = { kind: 'told', family: '', table: '', name: by } as const
    const entries = added.flatMap(({ address, lasts }) => {
      const prefix = readPrefix(address)
      return prefix ? [{ id: address, prefixes: [prefix], lasts }] : []
    })
    const moment = { at: new Date().toISOString(), now: performance.now() }
    if (whole) this.book.replaceIn({ place, entries }, moment)
    else if (!this.book.change({ place, added: entries, removed }, moment)) return { outcome: 'whole-wanted' }
    this.#look?.()
    return { outcome: 'taken' }
  }

  /** Gives what to call with every report. `known`: what the kernel is known to hold, if it is. */
  guard(inTurn: InTurn, known: () => Holding | false, keeper: Keeper): (report: Report) => void {
    const look = follower(() => inTurn(() => this.#follow(known(), keeper)), rhythm)
    this.#look = look
    return (report) => {
      if (this.#hear(report)) look()
    }
  }

  /** Whether the report is a reason to look. */
  #hear(report: Report): boolean {
    if (report.kind === 'lost') this.#heard = null
    if (report.kind !== 'elsewhere') return report.kind === 'lost'
    // An ipset comes with the rule that asks for it, in whatever chain.
    if (report.denials) this.#heard?.push(...report.denials)
    if (!report.denials || (this.#heard?.length ?? 0) > mostHeard) this.#heard = null
    return true
  }

  /** Brings the book up to date; gives the milliseconds until somebody's time is over, where that is known. */
  async #catchUp(): Promise<number | undefined> {
    const heard = this.#heard
    // What comes while all is read comes again afterwards: twice is harmless.
    this.#heard = []
    const moment = (): Moment => ({ at: new Date().toISOString(), now: performance.now() })
    const followed = heard?.every((change) => this.book.change(change, moment())) ?? false
    if (!followed) this.book.replace(['set', 'chain'], await this.#read(), moment())
    const polled = await this.#polling.look(this.book, moment)
    const next = this.book.expire(performance.now())
    const wishes = [
      ...(polled ? [pollEvery] : []),
      ...(Number.isFinite(next) ? [Math.max(0, next - performance.now())] : []),
    ]
    return wishes.length > 0 ? Math.min(...wishes) : undefined
  }

  async #read() {
    return this.#door.denials(this.interest).catch((error: Error) => {
      this.#heard = null
      throw error
    })
  }

  /** Writes what has changed; while it is not known what the kernel holds, a whole message will. */
  async #follow(holding: Holding | false, keeper: Keeper): Promise<number | undefined> {
    const next = await this.#catchUp()
    const difference = this.book.difference()
    const { add, remove } = difference
    if (!holding || add.length + remove.length === 0) return next
    this.book.hold(difference)
    await keeper.write(holding, difference).catch((error: Error) => {
      this.book.hold({ add: remove, remove: add })
      throw error
    })
    if (add.length > 0) await this.endFlows(holding.register.settings.mark)
    return next
  }

  /** Everything that is wanted counts as held: a whole message is about to write it. */
  async settle(): Promise<BanBook> {
    await this.#catchUp()
    this.book.hold(this.book.difference())
    return this.book
  }

  /** A connection that is established never comes to the rules again. */
  async endFlows(mark: Mark): Promise<void> {
    if (this.book.used().length === 0) return
    const flows = await this.#door.flows(mark)
    const ending = flows.filter(({ family, source }) => this.book.keepsOut({ family, text: source }))
    if (ending.length > 0) await this.#door.endFlows(ending)
  }

  async tell(families: readonly Family[]): Promise<Bans> {
    const bans = this.book.tell(families)
    const elements = bans.newest.map(({ address }) => this.book.elementFor(address))
    const held = elements.filter((element) => element !== undefined)
    const counts = await this.#door.countElements(held)
    const dropped = new Map(held.map((element, at) => [element, counts[at] ?? 0]))
    const newest = bans.newest.map((ban, at) => {
      const element = elements[at]
      return { ...ban, dropped: (element && dropped.get(element)) ?? 0 }
    })
    return { ...bans, newest }
  }
}

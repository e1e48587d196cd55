/** Carries messages out: checks, compiles, commits one transaction, reads it back, mends connections. */
import { anchorText } from '../compile/anchor.ts'
import { type Difference, isNothing, printDifference } from '../compile/difference.ts'
import { endsWithTarget, type Left } from '../compile/fates.ts'
import { reach } from '../faults.ts'
import type { InTurn } from '../inturn.ts'
import type { Report } from '../kernel/watcher.ts'
import type { Turned } from '../model/condition.ts'
import { namesContainer } from '../model/endpoints.ts'
import { parseForward } from '../model/forward.ts'
import type { Mark } from '../model/gateway.ts'
import { printTold, tell } from '../model/lastgood.ts'
import { Problem } from '../model/problem.ts'
import { Booting, type Boots, bootsOtherwise } from './booting.ts'
import { areContainers } from './containing.ts'
import { outsideOf } from './exposing.ts'
import { follower, repairer } from './guarding.ts'
import { type Repair, RepairBook } from './healing.ts'
import { Holding, type Step } from './holding.ts'
import { Keeper } from './keeper.ts'
import { isShareAlone, type Learned, nothingLearned } from './learning.ts'
import { readLocated } from './locating.ts'
import { answerQuestion, factsOf } from './looking.ts'
import type { Machine } from './machine.ts'
import { mendFlows, takeMark } from './mending.ts'
import type { AgentMessage, AnswerOf, FactsAnswer, LocateMessage, PutAnswer, PutMessage } from './protocol.ts'
import { shield } from './shielding.ts'
import { shutAtStart, shutMore, takeShut } from './shutting.ts'
import { weigh } from './weighing.ts'

/** What it has to say without having been asked. */
export interface Telling {
  repaired(repair: Repair): void
  refused(words: string): void
  turned(turned: Turned): void
}

export class Agent {
  readonly #machine: Machine
  readonly #keeper: Keeper
  readonly #repairs = new RepairBook()
  /** It outlives what is held: a whole message must not close what only a name leads to. */
  readonly #learned: Learned = nothingLearned()
  #holding = new Holding(undefined, this.#learned)
  /** The generation that the kernel is known to hold; null: nothing is known, and the next message must be whole. */
  #holds: number | null = null
  #outside: readonly string[] = []
  /** The mark that connections of forwards have, as far as this process knows. */
  #marked: Mark | undefined
  readonly #booting: Booting

  constructor(machine: Machine) {
    this.#machine = machine
    this.#keeper = new Keeper(machine.door, machine.record, machine.tracing.uncounted)
    this.#booting = new Booting(machine.boot, () => this.#wholeBoot())
  }

  /** Answers one message. Throws a Problem; then the kernel holds what it held. Calls that change something must not overlap. */
  async answer(message: AgentMessage): Promise<AnswerOf[AgentMessage['verb']]> {
    switch (message.verb) {
      case 'put':
        return this.#put(message)
      case 'facts':
        return this.#facts()
      case 'weigh':
        return this.#holds === message.change.base ? weigh(this.#machine, this.#holding, message) : null
      case 'bans':
        return this.#machine.bans.tell(message.families)
      case 'ban':
        return this.#machine.bans.take(message)
      case 'locate':
        return this.#locate(message)
      case 'clear':
        return this.#clear()
      default:
        return answerQuestion(this.#machine, this.#holding, message)
    }
  }

  async #put(message: PutMessage): Promise<PutAnswer> {
    reach('put-read')
    if (message.located) await this.#locate({ located: message.located })
    const answer = await (message.base === null ? this.#putWhole(message) : this.#putChange(message))
    if (answer.outcome !== 'whole-wanted') await this.#machine.beside.follow(this.#holding)
    reach('put-answering')
    return answer
  }

  /**
   * Begins to hold the table: repairs what other programs do to it, follows the machine, and keeps the anchor, all in turn
   * with messages. Only one agent can own that in a network namespace; a second one gets a Problem.
   */
  async guard(inTurn: InTurn, telling: Telling): Promise<void> {
    const { door, beside, bans, containing, watching, proxying, forwarding } = this.#machine
    this.#booting.retryIn(inTurn)
    const intruded = repairer(this.#repairs, (report: Report) => inTurn(() => this.#repair(report, telling)))
    const moved = follower(() =>
      inTurn(() => this.follow().then(forwarding.hearRouters)).catch((error: Error) => {
        telling.refused(error.message)
        throw error
      }),
    )
    const banned = bans.guard(inTurn, () => this.#holds !== null && this.#holding, this.#keeper)
    await door.watch((report) => {
      banned(report)
      if (report.kind === 'moved') return moved()
      beside.changed()
      if (report.kind !== 'elsewhere') intruded(report)
    }, bans.interest)
    beside.watch()
    containing.watch(inTurn, (news) => this.learn(news))
    watching.guard((news) => inTurn(() => this.learn(news)), telling.turned)
    proxying.watch(
      inTurn,
      () => (this.#holds === null ? undefined : this.#holding),
      () => this.#carry(takeShut(proxying, this.#holding), () => {}, 'nothing new'),
    )
    await door.own(anchorText).catch((error: Error) => {
      throw Problem.of('agent-running', { words: error.message }, error)
    })
  }

  /** Makes the table whole again, from the kernel's present state. Where nothing is known, a whole message is to come. */
  async #repair(report: Report, telling: Telling): Promise<void> {
    if (this.#holds === null) return
    const began = performance.now()
    const { by, pid } = report.kind === 'changed' ? report : { by: 'unknown', pid: 0 }
    const at = new Date().toISOString()
    const made = () => ({ at, by, pid, milliseconds: Math.round(performance.now() - began) })
    const wrote = await this.#keeper.become(this.#holding).catch((error: Error) => {
      if (this.#repairs.fail(error, made(), performance.now())) telling.refused(error.message)
      throw error
    })
    this.#repairs.settle()
    if (!wrote) return
    const repair = made()
    this.#repairs.enter(repair, performance.now())
    telling.repaired(repair)
    await this.#mend({ former: [], present: 'all', unknown: false })
  }

  /** Ends the connections that contradict what is held now. */
  async #mend({ former, present, unknown }: Omit<Left, 'ours'>): Promise<number> {
    const { door, readHost } = this.#machine
    this.#marked = await takeMark(door, this.#marked, this.#holding.register.settings.mark)
    const ours = new Set(readHost().addresses)
    return mendFlows(door, this.#holding, { former, present, unknown, ours })
  }

  /** Follows the machine: it costs a reading of the routes while nothing has changed. */
  async follow(): Promise<undefined> {
    const outside = await outsideOf(this.#machine)
    if (this.#holds === null || outside.join() === this.#outside.join()) return
    // As it was, so that the next look finds the same difference and tries again.
    await this.#carry(this.#holding.takeOutside(outside), () => this.#holding.takeOutside(this.#outside))
    this.#outside = outside
  }

  async #locate(message: Pick<LocateMessage, 'located'>): Promise<Record<never, never>> {
    await this.learn({ whereabouts: readLocated(message, this.#machine.readHost().addresses) })
    return {}
  }

  /** Takes over what is found out about targets; forwards follow at once, and connections as each says. In turn. */
  async learn(news: Partial<Learned>): Promise<void> {
    const before = this.#holding.recall(news)
    const { difference, former, present } = this.#holding.learn(news)
    if (news.whereabouts) this.#machine.watching.follow(this.#holding, present)
    if (this.#holds === null) return
    if (present.some(({ via }) => via)) await this.#machine.proxying.prepare(this.#holding)
    if (isNothing(difference)) return
    const changed = present.some(namesContainer) ? 'otherwise' : 'the same'
    const boots = areContainers(news) ? 'nothing new' : changed
    await this.#carry(difference, () => this.#holding.learn(before), boots)
    // More or less of what is new contradicts no connection, and nobody comes untranslated by an opening that there was.
    const concerned = isShareAlone(news, before) ? [] : former.filter(endsWithTarget)
    if (concerned.length > 0) await this.#mend({ former: concerned, present: [], unknown: false })
  }

  /** Writes what differs within a generation, into the boot file too; what fails is taken back by `revert`. */
  async #carry(difference: Difference, revert: () => void, boots: Boots = 'the same'): Promise<void> {
    const [generation, skeleton] = [this.#holds, this.#keeper.skeleton]
    if (generation === null) return
    try {
      await this.#keeper.write(this.#holding, difference)
    } catch (error) {
      revert()
      throw error
    }
    if (this.#booting.booted === generation)
      this.#appendBoot(generation, generation, printDifference(difference), skeleton, boots)
  }

  #facts(): Promise<FactsAnswer> {
    const repairs = this.#repairs.readAt(performance.now())
    return factsOf(this.#machine, { holds: this.#holds, repairs, bootTrouble: this.#booting.trouble })
  }

  /** The whole gateway: compared with what the kernel really holds, so an agent started anew writes only what differs. */
  async #putWhole(message: PutMessage): Promise<PutAnswer> {
    await this.#refuseOlder(message)
    await this.#machine.containing.settle()
    const closed = message.closed.map((document) => parseForward(document))
    const former = [...closed, ...this.#holding.register.forwards.values()]
    const holding = new Holding(await this.#machine.bans.settle(), this.#learned)
    holding.take(message)
    holding.learn(this.#machine.watching.followAll(holding))
    const outside = await outsideOf(this.#machine)
    holding.takeOutside(outside)
    this.#outside = outside
    this.#holds = null
    this.#holding = holding
    await shield(this.#machine, holding, true)
    await shutAtStart(this.#machine, holding)
    const wrote = await this.#keeper.become(holding)
    this.#repairs.settle()
    await this.#machine.proxying.prepare(holding)
    this.#machine.forwarding.turnOn(holding.families())
    const ended = await this.#mend({ former, present: 'all', unknown: true })
    await this.#machine.bans.endFlows(holding.register.settings.mark)
    this.#holds = message.generation
    if (message.kept) this.#booting.rewrite(message.generation)
    else this.#booting.hold()
    return { outcome: wrote ? 'written' : 'already-so', ended }
  }

  async #putChange(message: PutMessage): Promise<PutAnswer> {
    const { base } = message
    if (base === null || this.#holds !== base) return { outcome: 'whole-wanted', ended: 0 }
    const skeleton = this.#keeper.skeleton
    const used = this.#holding.used()
    const step = this.#stepTo(message)
    this.#holds = null
    const shielding = await shield(this.#machine, this.#holding, false)
    await this.#keeper.widen(this.#holding, used, shutMore(this.#holding))
    await this.#machine.proxying.prepare(this.#holding)
    const difference = { remove: step.difference.remove, add: [...shielding.add, ...step.difference.add] }
    await this.#keeper.write(this.#holding, difference)
    this.#machine.forwarding.turnOn(this.#holding.families())
    const ended = await this.#mend({ ...step, unknown: false })
    this.#holds = message.generation
    this.#machine.watching.follow(this.#holding, [...step.former, ...step.present])
    if (message.kept) {
      const text = printDifference(difference) + printTold(message)
      const boots = [...step.former, ...step.present].some(bootsOtherwise) ? 'otherwise' : 'the same'
      this.#appendBoot(message.generation, base, text, skeleton, boots)
    } else this.#booting.hold()
    const changed = !isNothing(difference) || this.#keeper.skeleton !== skeleton
    return { outcome: changed ? 'written' : 'already-so', ended }
  }

  /** What is no problem of a value may have been taken over in part: then the next message must be whole. */
  #stepTo(message: PutMessage): Step {
    try {
      return this.#holding.step(message)
    } catch (error) {
      if (!(error instanceof Problem)) this.#holds = null
      throw error
    }
  }

  #wholeBoot() {
    const elements = printDifference({ remove: [], add: this.#holding.lasting() })
    return {
      text: this.#keeper.lasting(this.#holding) + elements + printTold(tell(this.#holding.register)),
      families: this.#holding.families(),
      expiring: this.#holding.expiring(),
    }
  }

  /** A change of the static part is rare, and the file is written anew for it. */
  #appendBoot(generation: number, base: number, text: string, skeletonBefore: string, boots: Boots): void {
    if (boots === 'otherwise' || this.#keeper.skeleton !== skeletonBefore) this.#booting.rewrite(generation)
    else if (boots === 'the same') this.#booting.append(generation, base, text, this.#holding.families())
  }

  /** A store that was lost and begins anew must not close every forward: somebody has to say that it is meant. */
  async #refuseOlder({ generation, meant }: PutMessage): Promise<void> {
    const known = this.#booting.newest
    if (meant || generation > known || (generation === known && known > 0)) return
    const full = known > 0 || (await this.#keeper.forwards())
    if (full) throw Problem.of('store-behind', { store: generation, known })
  }

  async #clear(): Promise<Record<never, never>> {
    const { door, forwarding, beside, watching, proxying } = this.#machine
    forwarding.restore()
    // While one listens, the table keeps everybody out who comes by no forward.
    await proxying.stop()
    await this.#keeper.clear()
    await beside.withdraw()
    await door.letGo()
    this.#booting.forget()
    this.#marked = undefined
    this.#holds = null
    this.#holding = new Holding(undefined, this.#learned)
    watching.forget(this.#holding)
    return {}
  }
}

/** Carries messages out: checks, compiles, commits one transaction, reads it back, mends connections. */
import { anchorText } from '../compile/anchor.ts'
import { type Difference, differenceOf, hold, isNothing, printDifference } from '../compile/difference.ts'
import { type Element, numberOf } from '../compile/elements.ts'
import { layoutOf, readSetName, staticSets } from '../compile/sets.ts'
import { printSkeleton, type Skeleton, skeletonOf } from '../compile/skeleton.ts'
import type { Door } from '../kernel/door.ts'
import type { Forwarding } from '../kernel/forwarding.ts'
import type { HostFacts } from '../kernel/host.ts'
import type { Intrusion } from '../kernel/watcher.ts'
import type { Listener } from '../model/listeners.ts'
import { Problem } from '../model/problem.ts'
import type { BootFile } from './boot.ts'
import { RepairBook } from './healing.ts'
import { Holding } from './holding.ts'
import { mendFlows } from './mending.ts'
import type { AgentMessage, AnswerOf, Counted, FactsAnswer, PutAnswer, PutMessage } from './protocol.ts'
import type { SkeletonRecord } from './record.ts'

/** Everything outside that the agent touches. */
export interface Machine {
  readonly door: Door
  readonly forwarding: Forwarding
  readonly record: SkeletonRecord
  readonly boot: BootFile
  readonly readHost: () => HostFacts
  readonly readListeners: () => readonly Listener[]
}

/** A repair that the kernel refused is tried again. */
const retryRepairAfter = 1000

interface SetCount {
  readonly set: string
  readonly key: string
  readonly count: number
}

export class Agent {
  readonly #machine: Machine
  #holding = new Holding()
  /** The generation that the kernel is known to hold; null: nothing is known, and the next message must be whole. */
  #holds: number | null = null
  #skeleton = ''
  #outside = ''
  #anchored = false
  /** The generation in the boot file, as far as this process has written it. */
  #booted: number | null = null
  readonly #repairs = new RepairBook()

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Answers one message. Throws a Problem; then the kernel holds what it held. Calls must not overlap. */
  async answer(message: AgentMessage): Promise<AnswerOf[AgentMessage['verb']]> {
    switch (message.verb) {
      case 'put':
        return message.base === null ? this.#putWhole(message) : this.#putChange(message)
      case 'facts':
        return this.#facts()
      case 'counts':
        return this.#counts(message.numbers)
      case 'clear':
        return this.#clear()
    }
  }

  /** Begins to hold the table: keeps the anchor, and repairs what other programs do to the table. */
  async guard(now: () => number, inTurn: <T>(work: () => Promise<T>) => Promise<T>): Promise<void> {
    const { door } = this.#machine
    let waiting = false
    const repairAfter = (milliseconds: number, intrusion: Intrusion) => {
      if (waiting) return
      waiting = true
      setTimeout(() => {
        waiting = false
        inTurn(() => this.#repair(intrusion, now)).catch(() => repairAfter(retryRepairAfter, intrusion))
      }, milliseconds)
    }
    await door.watch((intrusion) => repairAfter(this.#repairs.pauseAt(now()), intrusion))
    await door.runNft(anchorText)
    this.#anchored = true
  }

  /** Makes the table whole again, from the kernel's present state. Where nothing is known, a whole message is to come. */
  async #repair(intrusion: Intrusion, now: () => number): Promise<void> {
    if (this.#holds === null) return
    const began = now()
    const wrote = await this.#become(this.#holding)
    if (!wrote) return
    const { by, pid } = intrusion.kind === 'changed' ? intrusion : { by: 'unknown', pid: 0 }
    this.#repairs.enter({ at: new Date(began).toISOString(), by, pid, milliseconds: now() - began })
  }

  /** Follows the machine: called now and then, it costs two small reads while nothing has changed. */
  async follow(): Promise<void> {
    const { outside } = this.#machine.readHost()
    if (this.#holds === null || outside.join() === this.#outside) return
    const difference = this.#holding.takeOutside(outside)
    await this.#write(difference)
    this.#outside = outside.join()
    if (this.#booted === this.#holds)
      this.#machine.boot.append(printDifference(difference), this.#bootState(this.#holds))
  }

  #facts(): FactsAnswer {
    const repairs = this.#repairs.readAt(Date.now())
    const { readHost, readListeners } = this.#machine
    return { addresses: readHost().addresses, listeners: readListeners(), holds: this.#holds, repairs }
  }

  /** The whole gateway: compared with what the kernel really holds, so an agent started anew writes only what differs. */
  async #putWhole(message: PutMessage): Promise<PutAnswer> {
    const host = this.#machine.readHost()
    const former = this.#holding.register
    const holding = new Holding()
    holding.take(message)
    holding.takeOutside(host.outside)
    this.#outside = host.outside.join()
    this.#holds = null
    this.#holding = holding
    this.#machine.forwarding.prepare(holding.families())
    const wrote = await this.#become(holding)
    this.#machine.forwarding.turnOn(holding.families())
    const ended = await mendFlows(this.#machine.door, holding.register, [...former.forwards.values()], [])
    this.#holds = message.generation
    if (message.kept) this.#writeBoot(message.generation)
    return { outcome: wrote ? 'written' : 'already-so', ended }
  }

  async #putChange(message: PutMessage): Promise<PutAnswer> {
    if (this.#holds === null || this.#holds !== message.base) return { outcome: 'whole-wanted', ended: 0 }
    const skeleton = this.#skeleton
    const step = this.#holding.step(message)
    this.#holds = null
    this.#machine.forwarding.prepare(this.#holding.families())
    await this.#write(step.difference)
    this.#machine.forwarding.turnOn(this.#holding.families())
    const ended = await mendFlows(this.#machine.door, this.#holding.register, step.former, step.added)
    this.#holds = message.generation
    if (message.kept) this.#appendBoot(message, step.difference, skeleton)
    return { outcome: isNothing(step.difference) ? 'already-so' : 'written', ended }
  }

  /** Brings the kernel from whatever it holds to `holding`. True when something had to be written. */
  async #become(holding: Holding): Promise<boolean> {
    this.#skeleton = ''
    const { door } = this.#machine
    const skeleton = this.#skeletonOf(holding.used())
    const present = new Set(await door.setNames())
    const fresh = await this.#loadSkeleton(skeleton, vanishedFrom(present, skeleton))
    const difference = differenceOf(await door.read(compared(skeleton)), hold(holding.elements()))
    if (isNothing(difference)) return fresh
    await this.#commit(difference)
    return true
  }

  /** Writes a difference, with the sets it needs made before and those it leaves empty removed after. */
  async #write(difference: Difference): Promise<void> {
    if (isNothing(difference)) return
    const used = this.#holding.used()
    const leaving = difference.remove
      .map(({ set }) => set)
      .filter((set) => readSetName(set) && !used.includes(set))
    const wide = this.#skeletonOf([...new Set([...used, ...leaving])])
    await this.#loadSkeleton(wide, [])
    await this.#commit(difference)
    const narrow = this.#skeletonOf(used)
    await this.#loadSkeleton(
      narrow,
      wide.sets.filter((set) => !narrow.sets.includes(set)),
    )
  }

  /** The boot file gets everything: at the first message, after a change that was on trial, and now and then. */
  #writeBoot(generation: number): void {
    const elements = printDifference({ remove: [], add: this.#holding.elements() })
    this.#machine.boot.rewrite(this.#skeleton + elements, this.#bootState(generation))
    this.#booted = generation
  }

  /** A change of the static part is rare, and the file is written anew for it. */
  #appendBoot({ generation, base }: PutMessage, difference: Difference, skeletonBefore: string): void {
    const follows = this.#booted === base && this.#skeleton === skeletonBefore
    const text = printDifference(difference)
    if (follows && this.#machine.boot.append(text, this.#bootState(generation))) this.#booted = generation
    else this.#writeBoot(generation)
  }

  #bootState(generation: number) {
    return { generation, families: this.#holding.families() }
  }

  #skeletonOf(used: readonly string[]): Skeleton {
    const { mark } = this.#holding.register.settings
    return skeletonOf({ mark, used, shield: this.#machine.forwarding.switchedOn() })
  }

  /** One transaction, read back. */
  async #commit(difference: Difference): Promise<void> {
    const missing = await this.#machine.door.write(difference).catch((error: Error) => {
      throw Problem.of('kernel-refused', { words: error.message }, error)
    })
    refuseMissing(missing)
  }

  /** Loads the static part unless the kernel already has it, as its fingerprint tells. True when it was loaded. */
  async #loadSkeleton(skeleton: Skeleton, vanished: readonly string[]): Promise<boolean> {
    const { door, record } = this.#machine
    const text = printSkeleton(skeleton, vanished)
    const wanted = printSkeleton(skeleton, [])
    if (this.#skeleton === wanted) return false
    if (this.#skeleton === '' && vanished.length === 0 && record.matches(wanted, await door.fingerprint())) {
      this.#skeleton = wanted
      return false
    }
    await this.#runNft(text)
    this.#skeleton = wanted
    record.keep(wanted, await door.fingerprint())
    return true
  }

  /** A table of another version may have sets of other types under our names: then it is made anew, in one transaction. */
  async #runNft(text: string): Promise<void> {
    const { door } = this.#machine
    try {
      await door.runNft(text)
    } catch {
      const elements = printDifference({ remove: [], add: this.#holding.elements() })
      const anew = `add table inet drawbridge\ndelete table inet drawbridge\n${text}${elements}`
      try {
        await door.runNft(anew.replace(/^delete set .*\n/gm, ''))
      } catch (error) {
        throw Problem.of('kernel-refused', { words: (error as Error).message }, error)
      }
    }
  }

  async #counts(numbers: readonly number[] | null): Promise<readonly Counted[]> {
    const members = numbers ? await this.#countsOf(new Set(numbers)) : await this.#allCounts()
    const totals = new Map<number, Omit<Counted, 'number'>>()
    for (const { set, key, count } of members) {
      const column = set === 'refused' || set === 'limited' ? set : 'connections'
      const number = numberOf(key.split(' . ')[0] ?? '')
      const row = totals.get(number) ?? { connections: 0, refused: 0, limited: 0 }
      totals.set(number, { ...row, [column]: row[column] + count })
    }
    return [...totals].map(([number, row]) => ({ number, ...row }))
  }

  async #countsOf(numbers: ReadonlySet<number>): Promise<readonly SetCount[]> {
    const counting = this.#holding.elementsNumbered(numbers).filter(({ set }) => layoutOf(set).counter)
    const counts = await this.#machine.door.countElements(counting)
    return counting.map(({ set, key }, index) => ({ set, key, count: counts[index] ?? 0 }))
  }

  async #allCounts(): Promise<readonly SetCount[]> {
    const sets = Object.keys(staticSets).filter((set) => layoutOf(set).counter)
    const counts = await this.#machine.door.counts(sets)
    return [...counts].flatMap(([set, members]) => [...members].map(([key, count]) => ({ set, key, count })))
  }

  async #clear(): Promise<Record<never, never>> {
    const { door, forwarding, record, boot } = this.#machine
    forwarding.restore()
    await door.runNft('add table inet drawbridge\ndelete table inet drawbridge\n')
    if (this.#anchored) await door.runNft('delete table inet drawbridge_anchor\n')
    this.#anchored = false
    record.forget()
    boot.forget()
    this.#booted = null
    this.#holds = null
    this.#skeleton = ''
    this.#holding = new Holding()
    return {}
  }
}

/** Sets whose elements are ours to compare; packets fill the others. */
function compared({ sets }: Skeleton): string[] {
  return sets.filter((set) => !layoutOf(set).dynamic)
}

function vanishedFrom(present: ReadonlySet<string>, { sets }: Skeleton): string[] {
  const wanted = new Set(sets)
  return [...present].filter((set) => !wanted.has(set) && isMadeByNeed(set))
}

function isMadeByNeed(name: string): boolean {
  return readSetName(name.replace(/_by[46]$/, '')) !== undefined
}

function refuseMissing(missing: readonly Element[]): void {
  const [one] = missing
  if (!one) return
  const what = `${missing.length} elements are missing, such as ${one.set} { ${one.key} }`
  throw Problem.of('kernel-differs', { what })
}

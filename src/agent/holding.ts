/** What the agent means the kernel to hold: forwards by number, checked again, and the elements they are. No effects. */
import { allowancesOf } from '../compile/allowances.ts'
import { deliverySets } from '../compile/delivery.ts'
import { type Difference, differenceOf, hold } from '../compile/difference.ts'
import type { Element } from '../compile/element.ts'
import { elementsOf, neededSets } from '../compile/elements.ts'
import { Entrances } from '../compile/entrances.ts'
import { readSetName } from '../compile/sets.ts'
import type { Family } from '../model/address.ts'
import type { Allowance } from '../model/allowance.ts'
import { type Known, namesContainer, withoutContainers } from '../model/endpoints.ts'
import { type Forward, familiesOf, isOwn } from '../model/forward.ts'
import type { Numbered } from '../model/gateway.ts'
import { asKept, type Change, Register } from '../model/register.ts'
import { Apart } from './apart.ts'
import type { Expiring } from './boot.ts'
import { type Learned, nothingLearned, recalled, takeNews } from './learning.ts'
import { Needs } from './needs.ts'
import type { PutMessage } from './protocol.ts'
import { readChange } from './wanting.ts'

/** What a message changes, and the elements that follow from it. */
export interface Step {
  readonly difference: Difference
  /** The forwards as they were before, where they were; their flows may contradict what holds now. */
  readonly former: readonly Forward[]
  /** The same forwards as they are now, where they are. */
  readonly present: readonly Forward[]
}

/** Elements that are held beside those of forwards, and the sets they are in. */
interface Others {
  elements(): Iterable<Element>
  used(): readonly string[]
}

export class Holding {
  readonly register = new Register()
  readonly #numbers = new Map<string, number>()
  /** What forwards need: sets made by need, and families. */
  readonly #needs = new Needs()
  readonly #apart = new Apart()
  readonly #bans: Others | undefined
  readonly #entrances = new Entrances()

  readonly #learned: Learned

  /** `bans`: whom other programs keep out. `learned`: what names stand for and who is down, as it was known before. */
  constructor(bans?: Others, learned: Learned = nothingLearned()) {
    this.#bans = bans
    this.#learned = learned
  }

  /** What forwards name, and what it stands for now. */
  get known(): Known {
    return { lists: this.register.lists, entrances: this.#entrances.entrances, ...this.#learned }
  }

  /** Checks every value of the message again and takes it over. Throws a Problem, and then holds nothing of it. */
  take(message: PutMessage): void {
    this.#take(message, readChange(message))
  }

  /** Like `take`, and says what follows for the kernel. Costs what the change is large, not what is held. */
  step(message: PutMessage): Step {
    const change = readChange(message)
    return this.#stepOf(this.#touchedBy(change), () => {
      this.#take(message, change)
      return change.put.map(({ name }) => name)
    })
  }

  /** Takes over what names stand for now and which endpoints are down; what is not in `news` stays as it is. */
  learn(news: Partial<Learned>): Step {
    const { whereabouts = new Map(), down = new Map(), warming = new Map() } = news
    const sending = [...whereabouts.keys()].flatMap((named) => [...this.register.sendingTo(named)])
    const touched = [...sending.map(({ name }) => name), ...down.keys(), ...warming.keys()]
    const present = [...new Set(touched)].filter((name) => this.register.forwards.has(name))
    return this.#stepOf(present, () => {
      const leaving = this.#needsOf(present)
      for (const forward of this.#named(present))
        this.#needs.keep(forward.name, deliverySets(forward, this.known))
      takeNews(this.#learned, news)
      this.#needs.recount(leaving, this.#needsOf(present))
      return []
    })
  }

  /** What is known now of all that `news` is about: learnt again, it takes `news` back. */
  recall(news: Partial<Learned>): Partial<Learned> {
    return recalled(this.#learned, news)
  }

  /** What `work` makes of these forwards, and of those whose names it gives. */
  #stepOf(touched: readonly string[], work: () => readonly string[]): Step {
    const before = this.#elementsOf(touched)
    const former = this.#named(touched)
    const names = [...new Set([...touched, ...work()])]
    const after = this.#elementsOf(names)
    return { difference: differenceOf(hold(before), hold(after)), former, present: this.#named(names) }
  }

  /** What `work` makes of the register as the message would make it; afterwards everything is as before. */
  tries<T>(message: PutMessage, work: (step: Omit<Step, 'difference'>) => T): T {
    const change = readChange(message)
    const touched = this.#touchedBy(change)
    const former = this.#named(touched)
    const undo = this.register.apply(change, asKept)
    try {
      return work({ former, present: this.#named([...touched, ...change.put.map(({ name }) => name)]) })
    } finally {
      undo()
    }
  }

  #named(names: readonly string[]): readonly Forward[] {
    return [...new Set(names)].flatMap((name) => this.register.forwards.get(name) ?? [])
  }

  #take(message: PutMessage, change: Change): void {
    const touched = this.#touchedBy(change)
    const leaving = this.#needsOf(touched)
    this.register.apply(change, asKept)
    for (const name of [...change.remove, ...change.put.map(({ name }) => name)]) this.#needs.forget(name)
    for (const name of change.remove) {
      this.#numbers.delete(name)
      this.#entrances.leave(name)
    }
    for (const [index, { number }] of message.forwards.entries()) {
      const forward = change.put[index]
      if (!forward) continue
      this.#numbers.set(forward.name, number)
      this.#entrances.enter(forward, number)
    }
    const coming = this.#needsOf([...new Set([...touched, ...change.put.map(({ name }) => name)])])
    this.#needs.recount(leaving, coming)
  }

  /** Sets the interfaces by which the outside comes. */
  takeOutside(names: readonly string[]): Difference {
    const quoted = names.map((name) => `"${name}"`)
    return this.#apart.take('outside', quoted)
  }

  /** Sets the families in which nothing but forwards passes from outside. */
  takeShield(families: readonly Family[]): Difference {
    const named = families.map((family) => `ipv${family}`)
    return this.#apart.take('shielded', named)
  }

  /** Sets the ports of this machine at which a proxy may listen: nobody gets there but by a forward. */
  takeShut(ports: Iterable<number>): Difference {
    return this.#apart.take('entrances', [...new Set(ports)].map(String))
  }

  get shut(): readonly number[] {
    return this.#apart.keysOf('entrances').map(Number)
  }

  /** The ports of proxies at which forwards that are on come in. */
  entered(): readonly number[] {
    if (this.register.settings.locked) return []
    const on = [...this.#entrances.entrances].filter(([name]) => this.register.forwards.get(name)?.enabled)
    return on.flatMap(([, { ports }]) => ports)
  }

  /** The openings of forwards that end by themselves, with when: what a boot after that must not open again. */
  expiring(): readonly Expiring[] {
    const ending = [...this.register.forwards.values()].filter(({ expires }) => expires !== null)
    return ending.map(({ name, expires }) => ({
      at: Math.floor(Date.parse(expires ?? '') / 1000),
      openings: this.#elementsOf([name]).filter(({ set }) => /^(openings|pings)/.test(set)),
    }))
  }

  /** Every element there should be. */
  elements(): readonly Element[] {
    return [...this.#elementsBy(this.known), ...(this.#bans?.elements() ?? [])]
  }

  /** All but the bans, and what containers have as addresses: at the next boot their programs know better. */
  lasting(): readonly Element[] {
    return this.#elementsBy(withoutContainers(this.known))
  }

  #elementsBy(known: Known): Element[] {
    const forwards = this.#elementsOf([...this.register.forwards.keys()], known)
    return [...forwards, ...this.#apart.elements()]
  }

  /** The sets made by need that have elements, in a stable order. */
  used(): readonly string[] {
    const bans = this.#bans?.used() ?? []
    return [...this.#apart.used(), ...bans, ...this.#needs.all()].filter((need) => readSetName(need)).sort()
  }

  /** What firewalls of this machine are to admit for services of it that are open. */
  allowances(): readonly Allowance[] {
    const { settings, lists } = this.register
    if (settings.locked) return []
    const { entrances } = this.#entrances
    const here = [...this.register.sendingTo('self'), ...this.#named([...entrances.keys()])]
    return here.flatMap((forward) => allowancesOf(forward, lists, entrances.get(forward.name)))
  }

  /** The families in which at least one forward is on that sends packets on. */
  families(): readonly Family[] {
    return ([4, 6] as const).filter((family) => this.#needs.has(`IPv${family}`))
  }

  numbered(names: readonly string[]): readonly Numbered[] {
    return this.#named(names).flatMap((forward) => {
      const number = this.#numbers.get(forward.name)
      return number === undefined ? [] : [{ number, forward }]
    })
  }

  /** The forwards that the rules know by this number: those that share an opening have one together, and count together. */
  behind(number: number): readonly number[] {
    const sharing = this.#entrances.sharing(number)
    return sharing.length === 0 ? [number] : sharing.flatMap((name) => this.numberOf(name) ?? [])
  }

  numberOf(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  /** The elements of the forwards with these numbers. */
  elementsNumbered(numbers: ReadonlySet<number>): readonly Element[] {
    const names = [...this.#numbers].filter(([, number]) => numbers.has(number)).map(([name]) => name)
    return this.#elementsOf(names)
  }

  /** The forwards that a change touches: those it names, those that share an opening with them, and those whose lists it changes; all when it locks or lifts. */
  #touchedBy(change: Change): string[] {
    const locks = change.settings !== null && change.settings.locked !== this.register.settings.locked
    if (locks) return [...this.register.forwards.keys()]
    const named = this.#withMates(change)
    const lists = new Set([...change.putLists.map(({ name }) => name), ...change.removeLists])
    if (lists.size === 0) return named.filter((name) => this.register.forwards.has(name))
    const listed = [...this.register.forwards.values()].filter(
      ({ sources }) =>
        sources !== 'anywhere' && sources.some((one) => one.kind === 'list' && lists.has(one.name)),
    )
    return [...new Set([...named, ...listed.map(({ name }) => name)])].filter((name) =>
      this.register.forwards.has(name),
    )
  }

  #withMates({ remove, put }: Change): string[] {
    const { forwards, openings } = this.register
    const names = [...remove, ...put.map(({ name }) => name)]
    const concerned = [...put, ...names.flatMap((name) => forwards.get(name) ?? [])]
    return [
      ...new Set([...names, ...concerned.flatMap((one) => openings.matesOf(one).map(({ name }) => name))]),
    ]
  }

  #elementsOf(names: readonly string[], known = this.known): Element[] {
    return names.flatMap((name) => {
      const forward = this.#inForce(name)
      const number = this.#numbers.get(name)
      return forward && number !== undefined ? elementsOf({ number, forward }, known) : []
    })
  }

  /** As it holds now: a lockdown leaves none, but for services of this machine, which nothing else may keep anybody from. */
  #inForce(name: string): Forward | undefined {
    const forward = this.register.forwards.get(name)
    if (!forward || !this.register.settings.locked) return forward
    return isOwn(forward) ? { ...forward, sources: [] } : undefined
  }

  /** What these forwards need beside elements in the static sets: sets of their own, and a family forwarded. */
  #needsOf(names: readonly string[]): string[] {
    return names.flatMap((name) => {
      const forward = this.#inForce(name)
      if (!forward?.enabled) return []
      const sets = new Set([...this.#needs.kept(name), ...neededSets(forward, this.known)])
      // The next boot has other needs, and begins with the static part that there is now.
      if (namesContainer(forward))
        for (const set of neededSets(forward, withoutContainers(this.known))) sets.add(set)
      // A service of this machine is reached without anything being forwarded.
      const families = isOwn(forward) || forward.via ? [] : familiesOf(forward)
      return [...sets, ...families.map((family) => `IPv${family}`)]
    })
  }
}

/** Has the targets of forwards checked, and says which of them are down. */
import { isDeepStrictEqual } from 'node:util'
import type { Checked, Condition, HealthSummary, Outcome, Turned } from '../../model/condition.ts'
import { allQuarters, endpointKey, endpointsOf } from '../../model/endpoints.ts'
import type { Forward } from '../../model/forward.ts'
import { printHealth } from '../../model/health.ts'
import { mapPort } from '../../model/mapping.ts'
import type { Holding } from '../holding.ts'
import type { Learned } from '../learning.ts'
import { Checking, type Clock, type Subject, type Turn } from './checking.ts'
import type { Course } from './course.ts'
import type { Recollection } from './recollection.ts'
import { TurnBook, type Turns } from './turns.ts'

/** One endpoint of a forward, by its key, and what is checked for it. */
interface Watched {
  readonly endpoint: string
  readonly subject: Subject
}

/** Who is down, and who is back since a short while. */
type News = Pick<Learned, 'down' | 'warming'>

const mostWorst = 20
const retryAfter = 1000

export class Watching {
  readonly #checking: Checking
  readonly #clock: Clock
  readonly #recollection: Recollection
  readonly #turns = new TurnBook()
  readonly #forwards = new Map<string, readonly Watched[]>()
  /** The forwards that a subject is checked for. */
  readonly #users = new Map<string, Set<string>>()
  readonly #remembered: Map<string, Course>
  /** When those that are back have come back, by the clock. */
  readonly #risen = new Map<string, number>()
  /** Forwards of which an endpoint has turned, or that are new. */
  readonly #turned = new Set<string>()
  #tell: (turned: Turned) => void = () => {}
  #act: (news: News) => Promise<void> = async () => {}
  #acting = false

  constructor(check: (subject: Subject) => Promise<Outcome>, clock: Clock, recollection: Recollection) {
    this.#clock = clock
    this.#recollection = recollection
    this.#remembered = new Map(recollection.read())
    this.#checking = new Checking(check, clock, (turn) => this.#take(turn))
  }

  /** From now on `learn` is told of endpoints, and `tell` of each target that turns. */
  guard(learn: (news: News) => Promise<void>, tell: (turned: Turned) => void): void {
    this.#act = learn
    this.#tell = tell
    void this.#pass()
  }

  /** Checks what these forwards send to now, and nothing else for them; gives what is new of their endpoints. */
  follow(holding: Holding, forwards: Iterable<Pick<Forward, 'name'>>): News {
    const names = new Set([...forwards].map(({ name }) => name))
    for (const name of names) {
      const before = this.#forwards.get(name) ?? []
      const forward = holding.register.forwards.get(name)
      const after = forward?.enabled ? watchedOf(forward, holding) : []
      // What stays is never without anybody who wants it, so that it is not checked anew.
      for (const one of after) this.#add(name, one)
      for (const { subject } of before) this.#remove(name, subject.key, after)
      if (after.length > 0) this.#forwards.set(name, after)
      else this.#forwards.delete(name)
    }
    const { down, warming } = holding.known
    const concerned = [...names].filter(
      (name) => this.#forwards.has(name) || down.has(name) || warming.has(name),
    )
    const changed = concerned.filter(
      (name) =>
        !isDeepStrictEqual(this.#downOf(name), down.get(name) ?? new Set()) ||
        !isDeepStrictEqual(this.#warmingOf(name), warming.get(name) ?? new Map()),
    )
    for (const name of changed) this.#turned.add(name)
    if (changed.length > 0) void this.#pass()
    return this.#newsOf(changed)
  }

  /** All that is held, and nothing of what is not. */
  followAll(holding: Holding): News {
    const names = new Set([...this.#forwards.keys(), ...holding.register.forwards.keys()])
    return this.follow(
      holding,
      [...names].map((name) => ({ name })),
    )
  }

  /** What is known of one endpoint; null when it is not checked. */
  conditionOf(name: string, endpoint: string): Condition | null {
    const found = this.#checkedOf(name).find((one) => one.endpoint === endpoint)
    if (!found) return null
    const { state, since, trouble, warning, flapping } = found
    return { state, since, trouble, warning, flapping }
  }

  summary(): HealthSummary {
    const all = [...this.#forwards.keys()].flatMap((name) => this.#checkedOf(name))
    const down = all.filter(({ state }) => state === 'down')
    const warned = all.filter(({ state, warning }) => state !== 'down' && warning !== '')
    return {
      checked: all.length,
      down: down.length,
      downIn: Object.fromEntries(
        [...Map.groupBy(down, ({ forward }) => forward)].map(([name, some]) => [name, some.length]),
      ),
      worst: [...down, ...warned].slice(0, mostWorst),
      waiting: this.#checking.waiting,
    }
  }

  turnsAfter(epoch: string, after: number): Turns {
    return this.#turns.after(epoch, after)
  }

  /** Nothing is checked any more, as `holding` has no forwards, and nothing is remembered, there neither. */
  forget(holding: Holding): void {
    holding.learn(this.followAll(holding))
    this.#recollection.forget()
  }

  #checkedOf(name: string): readonly Checked[] {
    return (this.#forwards.get(name) ?? []).flatMap(({ endpoint, subject }) => {
      const course = this.#checking.courseOf(subject.key)
      if (!course) return []
      const { state, since, trouble, warning, flapping } = course
      return [{ forward: name, endpoint, state, since, trouble, warning, flapping }]
    })
  }

  #downOf(name: string): ReadonlySet<string> {
    const down = this.#checkedOf(name).filter(({ state }) => state === 'down')
    return new Set(down.map(({ endpoint }) => endpoint))
  }

  #warmingOf(name: string): ReadonlyMap<string, number> {
    const warm = (this.#forwards.get(name) ?? []).map(
      ({ endpoint, subject }) => [endpoint, this.#quartersOf(subject)] as const,
    )
    return new Map(warm.filter(([, quarters]) => quarters < allQuarters))
  }

  /** One at first, one more after each third of the time. */
  #quartersOf({ key, health: { slowStart } }: Subject): number {
    const risen = this.#risen.get(key)
    if (slowStart === null || risen === undefined) return allQuarters
    const thirds = Math.round((this.#clock.now() - risen) / (slowStart / 3))
    return Math.min(1 + thirds, allQuarters)
  }

  #newsOf(names: readonly string[]): News {
    return {
      down: new Map(names.map((name) => [name, this.#downOf(name)])),
      warming: new Map(names.map((name) => [name, this.#warmingOf(name)])),
    }
  }

  #add(name: string, { subject }: Watched): void {
    const users = this.#users.get(subject.key) ?? new Set()
    if (users.has(name)) return
    this.#users.set(subject.key, users.add(name))
    if (users.size === 1) this.#checking.add(subject, this.#remembered.get(subject.key))
    this.#remembered.delete(subject.key)
  }

  #remove(name: string, key: string, after: readonly Watched[]): void {
    if (after.some(({ subject }) => subject.key === key)) return
    const users = this.#users.get(key)
    users?.delete(name)
    if (users?.size !== 0) return
    this.#users.delete(key)
    this.#risen.delete(key)
    this.#checking.remove(key)
  }

  #take({ subject, before, now }: Turn): void {
    if (now.state === 'down') this.#risen.delete(subject.key)
    else if (before.state === 'down') this.#warmUp(subject)
    for (const name of this.#users.get(subject.key) ?? []) {
      for (const { endpoint, subject: of } of this.#forwards.get(name) ?? []) {
        // A first good check tells nobody anything.
        if (of.key !== subject.key || (before.state === 'unchecked' && now.state === 'up')) continue
        const { state, since, trouble, flapping } = now
        const turned = { at: since, forward: name, endpoint, state, trouble, flapping }
        this.#turns.enter(turned)
        this.#tell(turned)
        this.#turned.add(name)
      }
    }
    void this.#pass()
  }

  #warmUp({ key, health: { slowStart } }: Subject): void {
    if (slowStart === null) return
    this.#risen.set(key, this.#clock.now())
    const step = () => {
      for (const name of this.#users.get(key) ?? []) this.#turned.add(name)
      void this.#pass()
    }
    for (const third of [1, 2, 3]) this.#clock.after((third * slowStart) / 3, step)
  }

  /** One at a time; what turns meanwhile is for the next, and what the kernel refuses is tried again. */
  async #pass(): Promise<void> {
    if (this.#acting || this.#turned.size === 0) return
    this.#acting = true
    const names = [...this.#turned]
    this.#turned.clear()
    try {
      await this.#act(this.#newsOf(names))
      this.#recollection.keep(this.#checking.down())
      this.#acting = false
      void this.#pass()
    } catch {
      for (const name of names) this.#turned.add(name)
      this.#clock.after(retryAfter, () => {
        this.#acting = false
        void this.#pass()
      })
    }
  }
}

function watchedOf(forward: Forward, { known }: Holding): readonly Watched[] {
  const { health, listen } = forward
  if (!health) return []
  return endpointsOf(forward, known).map(({ address, ports }) => {
    const usual = listen.kind === 'ping' ? 0 : mapPort(ports, listen.ports[0]?.first ?? 0, listen)
    const port = health.check.kind === 'icmp' ? 0 : (health.port ?? usual)
    const key = `${address.text} ${port} ${JSON.stringify(printHealth(health))}`
    return {
      endpoint: endpointKey({ address, ports }, listen),
      subject: { key, address: address.text, port, health },
    }
  })
}

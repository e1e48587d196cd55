/** Has the proxies of this machine serve the forwards that go through them, before the kernel leads anybody there. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Passage, passageId, passagesOf } from '../compile/proxy/passages.ts'
import { readStatistics, type ServerCount } from '../compile/proxy/statistics.ts'
import {
  type Course,
  disagreement,
  type PlainFacts,
  stampPlace,
  type Turn,
  turnTo,
  withLeaving,
} from '../compile/proxy/turning.ts'
import type { InTurn } from '../inturn.ts'
import type { Obstacle } from '../model/foreign.ts'
import type { ProxyName } from '../model/via.ts'
import { haproxySocket } from '../proxy/protocol.ts'
import { CertificateBook, digest } from './certificatebook.ts'
import type { Holding } from './holding.ts'
import type { ProxyKeeper } from './keeping.ts'

/** As long as somebody may be on the way to a port that nobody is sent to any more. */
const leavingTime = 2000
/** So often certificates are read again, as they are renewed in their files. */
const renewal = 60_000
/** What a proxy could not do may be possible later: a port is free again, a package is there. */
const retryAfter = 15_000
/** So long it is told that a proxy has ended by itself. */
const remembered = 600_000

const names = ['haproxy', 'nginx'] as const

export class Proxying {
  readonly #directory: string
  readonly #keeper: ProxyKeeper
  readonly #courses = new Map<ProxyName, Course>()
  readonly #troubles = new Map<ProxyName, Obstacle>()
  readonly #certificates = {
    haproxy: new CertificateBook('haproxy'),
    nginx: new CertificateBook('nginx'),
  } as const
  /** Whether each is known to run as it was told. */
  readonly #sure = new Set<ProxyName>()
  #inTurn: InTurn | undefined
  #holding: () => Holding | undefined = () => undefined
  /** Since when ports of proxies are led to by nobody. */
  readonly #left = new Map<number, number>()
  #leaving: NodeJS.Timeout | undefined
  /** Those that may run, with what each was asked for last, whether it has taken it up or not. */
  readonly #asked = new Map<ProxyName, readonly Passage[]>()
  #released: () => Promise<void> = async () => {}
  #retry: NodeJS.Timeout | undefined

  constructor(directory: string, keeper: ProxyKeeper) {
    this.#directory = directory
    this.#keeper = keeper
    for (const proxy of names) if (existsSync(join(directory, `${proxy}.pid`))) this.#asked.set(proxy, [])
  }

  /**
   * From now on proxies are kept as what is held says; `holding` gives that while it is known. `released`: ports that were
   * served are not any more.
   */
  watch(inTurn: InTurn, holding: () => Holding | undefined, released: () => Promise<void>): void {
    this.#inTurn = inTurn
    this.#holding = holding
    this.#released = released
    this.#keeper.onAway(() => {
      this.#sure.clear()
      this.#again(500)
    })
    setInterval(() => {
      if (names.some((proxy) => !this.#certificates[proxy].isEmpty)) this.#again(0)
    }, renewal).unref()
  }

  /** Proxies serve what is held, and still what they served. What one refuses is told in `obstacles`; it goes on as it was. */
  async prepare(holding: Holding): Promise<void> {
    for (const proxy of names) {
      const former = this.#courses.get(proxy)
      const passages = this.#passages(proxy, holding)
      if (passages.length === 0 && !former) {
        // One that nobody needs any more may have been left by an agent before this one.
        if (this.#asked.has(proxy)) await this.#end(proxy)
        continue
      }
      await this.#turn(proxy, withLeaving(passages, former))
      this.#noteLeft(proxy, passages)
    }
  }

  /** Ports at which a proxy may be listening. */
  get served(): readonly number[] {
    const passages = [...this.#courses.values()].flatMap((course) => course.passages)
    const asked = [...this.#asked.values()].flat()
    return [...localsOf([...passages, ...asked]), ...this.#left.keys()]
  }

  /** Ports that an agent before this one has had served. */
  adopt(ports: readonly number[], holding: Holding): void {
    const entered = new Set(holding.entered())
    for (const port of ports) if (!entered.has(port)) this.#leave(port)
  }

  /** Nothing goes through proxies any more, and what goes through them now ends. */
  async stop(): Promise<void> {
    for (const proxy of this.#asked.keys())
      await this.#keeper.ask({ verb: 'stop', proxy, now: true }).catch(() => {})
    for (const one of [this.#courses, this.#troubles, this.#asked, this.#left]) one.clear()
    for (const proxy of names) this.#certificates[proxy].take([], [])
  }

  /** What is wrong with proxies, for `status`. */
  async obstacles(): Promise<readonly Obstacle[]> {
    const certificates = names.flatMap((proxy) => this.#certificates[proxy].obstacles)
    const known = [...this.#troubles.values(), ...certificates]
    if (this.#courses.size === 0) return known
    const { proxies } = await this.#keeper.ask({ verb: 'look' }, false).catch(() => ({ proxies: [] }))
    const died = proxies.filter(
      ({ proxy, diedAt }) => this.#courses.has(proxy) && Date.now() - Date.parse(diedAt) < remembered,
    )
    return [
      ...known,
      ...died.map(
        ({ proxy, died: why, diedAt: at, running }) =>
          ({ kind: 'proxy-died', proxy, why, at, running }) as const,
      ),
    ]
  }

  /** What HAProxy has counted of each endpoint of a forward since it was started, by `endpointKey`. nginx does not count. */
  async countsOf(number: number): Promise<ReadonlyMap<string, ServerCount>> {
    const id = passageId(number)
    const passage = this.#courses.get('haproxy')?.passages.find((one) => one.id === id)
    if (!passage) return new Map()
    const asked = this.#keeper.ask({ verb: 'tell', commands: ['show stat'], text: null }, false)
    const { answers } = await asked.catch(() => ({ answers: [] }))
    const counts = readStatistics(answers[0] ?? '')
    return new Map(
      passage.slots.flatMap((slot, index) => {
        const count = counts.get(`${id}/s${index + 1}`)
        return slot && count ? [[slot.key, count] as const] : []
      }),
    )
  }

  #passages(proxy: ProxyName, holding: Holding): readonly Passage[] {
    const { register, known } = holding
    if (register.settings.locked) return []
    const passages = passagesOf(proxy, holding.numbered([...known.entrances.keys()]), known)
    const certificates = this.#certificates[proxy]
    certificates.take(passages, this.#courses.get(proxy)?.passages ?? [])
    return passages.filter((passage) => certificates.suffice(passage))
  }

  async #turn(proxy: ProxyName, passages: readonly Passage[]): Promise<void> {
    const turn = turnTo(proxy, this.#courses.get(proxy), passages, this.#facts(proxy))
    try {
      const words = await this.#carryOut(proxy, turn)
      if (words === '') {
        this.#courses.set(proxy, turn.course)
        this.#sure.add(proxy)
      }
      this.#tell(proxy, words)
    } catch (error) {
      this.#tell(proxy, (error as Error).message)
    }
  }

  #tell(proxy: ProxyName, words: string): void {
    if (words === '') {
      this.#troubles.delete(proxy)
      return
    }
    this.#troubles.set(proxy, { kind: 'proxy', proxy, words })
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#again(0)
    }, retryAfter).unref()
  }

  /** Gives why it was not done; '' when it was. */
  async #carryOut(proxy: ProxyName, turn: Turn): Promise<string> {
    const sure = this.#sure.has(proxy)
    if (turn.kind === 'none' && sure) return ''
    const { passages } = turn.course
    const stamp = digest(turn.course.text)
    const text = turn.course.text.replace(stampPlace, stamp)
    if (turn.kind === 'commands' && sure) {
      const commands = [...turn.commands, 'show servers state']
      const { answers } = await this.#keeper.ask({ verb: 'tell', commands, text })
      if (disagreement(passages, answers.at(-1) ?? '') === '') return ''
      // What it does not do over its runtime API it does with a new configuration.
    }
    const files = this.#certificates[proxy].filesOf(passages)
    this.#asked.set(proxy, passages)
    const { outcome, words } = await this.#keeper.ask({ verb: 'run', proxy, stamp, text, files })
    return outcome === 'running' ? '' : outcome === 'missing' ? `${proxy} is not installed` : words
  }

  #facts(proxy: ProxyName): PlainFacts {
    return {
      directory: this.#directory,
      root: statSync(this.#directory).uid === 0,
      socket: join(this.#directory, haproxySocket),
      // Where the kernel was started without IPv6, nobody can listen there.
      families: existsSync('/proc/net/if_inet6') ? [4, 6] : [4],
      certificates: this.#certificates[proxy].pathsIn(join(this.#directory, `${proxy}.files`)),
    }
  }

  /** Notes since when ports are led to by nobody any more, and has them given up when nobody is on the way to them. */
  #noteLeft(proxy: ProxyName, passages: readonly Passage[]): void {
    const wanted = localsOf(passages)
    for (const local of wanted) this.#left.delete(local)
    const left = [...localsOf(this.#courses.get(proxy)?.passages ?? [])].filter((local) => !wanted.has(local))
    for (const local of left) this.#leave(local)
  }

  #leave(local: number): void {
    if (!this.#left.has(local)) this.#left.set(local, Date.now())
    this.#leaving ??= setTimeout(() => this.#now(() => this.#settle()), leavingTime).unref()
  }

  async #settle(): Promise<void> {
    this.#leaving = undefined
    const holding = this.#holding()
    if (!holding) return
    const isDue = (local: number) => Date.now() - (this.#left.get(local) ?? Date.now()) >= leavingTime
    for (const proxy of names) {
      const former = this.#courses.get(proxy)
      if (!former) continue
      const passages = this.#passages(proxy, holding)
      const staying = withLeaving(passages, former).filter(
        ({ entries }) => !entries.every(({ local }) => isDue(local)),
      )
      if (staying.length > 0) await this.#turn(proxy, staying)
      else await this.#end(proxy)
      this.#noteLeft(proxy, passages)
    }
    const served = new Set([...this.#courses.values()].flatMap(({ passages }) => [...localsOf(passages)]))
    for (const local of this.#left.keys()) if (!served.has(local) && isDue(local)) this.#left.delete(local)
    // A worker that has been told so closes its sockets a moment later.
    setTimeout(() => this.#now(this.#released), leavingTime).unref()
  }

  async #end(proxy: ProxyName): Promise<void> {
    try {
      await this.#keeper.ask({ verb: 'stop', proxy, now: false })
      this.#courses.delete(proxy)
      this.#asked.delete(proxy)
      this.#troubles.delete(proxy)
    } catch (error) {
      // It lives on with what it has; the next one asks again.
      this.#tell(proxy, (error as Error).message)
    }
  }

  /** As nothing may be as it was. */
  #again(after: number): void {
    const work = async () => {
      const holding = this.#holding()
      if (holding) await this.prepare(holding)
    }
    setTimeout(() => this.#now(work), after).unref()
  }

  #now(work: () => Promise<void>): void {
    void this.#inTurn?.(work).catch(() => {})
  }
}

function localsOf(passages: readonly Passage[]): ReadonlySet<number> {
  return new Set(passages.flatMap(({ entries }) => entries.map(({ local }) => local)))
}

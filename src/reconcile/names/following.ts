/** Follows names: each is asked for again when its answer has run out, many at a time but not all at once. */
import type { Located } from '../../model/endpoints.ts'
import type { NameView } from '../../model/naming.ts'
import type { Clock } from '../runner.ts'
import type { Answer, AskName } from './asking.ts'
import { judge, type Known, type NameState, restOf, sameKnown, unasked } from './judging.ts'
import { placesOf, servicesOf, viewOf } from './leading.ts'
import { questionQueue } from './queue.ts'

export interface Following {
  /** What is known of these names, whoever names them. */
  views(names: readonly string[]): readonly NameView[]
  places(name: string): readonly Located[]
  /** These names are to be followed, and no others. */
  follow(names: Iterable<string>): void
  /** Asks for those of which nothing is known yet; resolves when they have been answered, or the time is over. */
  settle(names: readonly string[], withinMilliseconds: number): Promise<void>
  /** All last good answers there are. */
  known(): ReadonlyMap<string, Remembered>
  stop(): void
}

/** A last good answer, and since when it is that. */
export interface Remembered {
  readonly known: Known
  readonly since: number
}

export interface FollowingParts {
  readonly ask: AskName
  readonly clock: Clock
  /** The addresses of this machine. */
  readonly own: () => Promise<ReadonlySet<string>>
  /** Called with names that lead elsewhere now, are in another trouble, or are followed no more. */
  readonly changed: (names: readonly string[]) => void
  readonly remembered: ReadonlyMap<string, Remembered>
  /** From 0 to 1. */
  readonly chance: () => number
}

interface Entry {
  state: NameState
  /** When it is to be asked for again, by the uptime. */
  due: number
  stage: 'rests' | 'waits' | 'asked'
  /** Named by nobody, it is forgotten then. */
  until: number
  /** Since this controller started. */
  answered: boolean
  settled: (() => void)[]
}

/** Names whose answers run out together are spread a little; what changes is still seen within a second. */
const spread = 250
/** A name that only a plan has asked about, or that an SRV name led to, is remembered for so long. */
const guestFor = 60_000
/** Thousands of names run out at as many moments; it looks so often at most. */
const tick = 50
/** Timers stand still while the machine is suspended. */
const longestSleep = 30_000

export function startFollowing(parts: FollowingParts): Following {
  const { ask, clock, own, changed, remembered, chance } = parts
  const entries = new Map<string, Entry>()
  let wanted: ReadonlySet<string> = new Set()
  let wakes = Number.POSITIVE_INFINITY
  let cancel = () => {}
  let stopped = false

  const uptime = () => clock.uptime().milliseconds
  const states = (name: string) => entries.get(name)?.state

  const learn = (name: string, until: number): Entry => {
    const known = entries.get(name)
    if (known) {
      known.until = Math.max(known.until, until)
      return known
    }
    const state = { ...unasked, ...remembered.get(name) }
    const entry: Entry = { state, due: uptime(), stage: 'rests', until, answered: false, settled: [] }
    entries.set(name, entry)
    return entry
  }

  /** What SRV names lead to is followed like them. Gives the services that are new. */
  const learnServices = (name: string): readonly string[] => {
    const services = servicesOf(name, states)
    const fresh = services.filter((one) => !entries.has(one))
    for (const one of services) learn(one, uptime() + guestFor)
    return fresh
  }

  const sleepUntil = (at: number) => {
    if (stopped || at >= wakes) return
    cancel()
    wakes = at
    cancel = clock.after(Math.min(Math.max(tick, at - uptime()), longestSleep), run)
  }

  const run = () => {
    const now = uptime()
    wakes = Number.POSITIVE_INFINITY
    queue.refill()
    for (const name of wanted) learnServices(name)
    const over = [...entries].flatMap(([name, { until, stage }]) =>
      stage === 'rests' && until <= now ? name : [],
    )
    for (const name of over) entries.delete(name)
    if (over.length > 0) changed(over)
    let next = Number.POSITIVE_INFINITY
    for (const [name, entry] of entries) {
      if (entry.stage !== 'rests') continue
      if (entry.due <= now) enqueue(name, entry)
      else next = Math.min(next, entry.due)
    }
    queue.drain()
    if (next !== Number.POSITIVE_INFINITY) sleepUntil(next)
  }

  const enqueue = (name: string, entry: Entry) => {
    entry.stage = 'waits'
    queue.add(entry.state.trouble ? 'troubled' : 'good', name)
  }

  const put = async (name: string) => {
    const entry = entries.get(name)
    if (!entry || stopped) return
    entry.stage = 'asked'
    const answer = await answerTo(name)
    take(name, entry, answer, await own())
  }

  const queue = questionQueue(put, () => sleepUntil(uptime() + tick))

  /** Whatever fails, the name is asked for again. */
  const answerTo = async (name: string): Promise<Answer> => {
    try {
      return await ask(name)
    } catch (error) {
      const trouble = { kind: 'failed', detail: (error as Error).message } as const
      const reply = { server: '', kind: 'trouble', trouble } as const
      return name.startsWith('srv:')
        ? { kind: 'services', services: reply }
        : { kind: 'addresses', four: reply, six: reply }
    }
  }

  const take = (name: string, entry: Entry, answer: Answer, ours: ReadonlySet<string>) => {
    const before = entry.state
    entry.state = judge(before, answer, { now: clock.now(), own: ours })
    // The time that the question took is part of the answer's, but not where servers were silent.
    entry.due = uptime() + restOf(entry.state) + Math.round(chance() * spread)
    entry.stage = 'rests'
    entry.answered = true
    const fresh = learnServices(name)
    for (const one of fresh) enqueue(one, learn(one, uptime() + guestFor))
    for (const settled of entry.settled.splice(0)) settled()
    sleepUntil(entry.due)
    const asBefore = before.trouble?.kind === entry.state.trouble?.kind
    if (!asBefore || !sameKnown(before.known, entry.state.known)) tell(name)
  }

  /** An SRV name changes with the names of its services. */
  const tell = (name: string) => {
    const over = [...wanted].filter((one) => one !== name && servicesOf(one, states).includes(name))
    const names = [...(wanted.has(name) ? [name] : []), ...over]
    if (names.length > 0) changed(names)
  }

  const asked = (name: string): Promise<void> => {
    const entry = learn(name, uptime() + guestFor)
    if (entry.answered && entry.stage === 'rests') return Promise.resolve()
    if (entry.stage === 'rests') enqueue(name, entry)
    const answered = new Promise<void>((resolve) => void entry.settled.push(resolve))
    queue.drain()
    return answered
  }

  return {
    views: (names) =>
      names.map((name) => {
        const entry = entries.get(name)
        const next = entry?.stage === 'rests' ? clock.now() + Math.max(0, entry.due - uptime()) : null
        return viewOf(name, states, next)
      }),
    places: (name) => placesOf(name, states),
    follow: (names) => {
      const now = uptime()
      wanted = new Set(names)
      for (const entry of entries.values()) entry.until = Math.min(entry.until, now + guestFor)
      for (const name of wanted) learn(name, Number.POSITIVE_INFINITY)
      run()
    },
    settle: async (names, within) => {
      let cancelWait = () => {}
      const over = new Promise<void>((resolve) => {
        cancelWait = clock.after(within, resolve)
      })
      const all = Promise.all(
        names.map(async (name) => {
          await asked(name)
          await Promise.all(servicesOf(name, states).map(asked))
        }),
      )
      await Promise.race([all, over])
      cancelWait()
    },
    known: () =>
      new Map(
        [...entries].flatMap(
          ([
            name,
            {
              state: { known, since },
            },
          ]) => (known ? [[name, { known, since }] as const] : []),
        ),
      ),
    stop: () => {
      stopped = true
      cancel()
    },
  }
}

/** What the outside can reach, since when, and whether somebody answers there. */
import type { AgentClient } from '../agent/client.ts'
import { type Declared, sorting } from '../model/exposure/cases.ts'
import { teller } from '../model/exposure/declared.ts'
import { type Exposure, isUndeclared, type Machine } from '../model/exposure/exposure.ts'
import { isDead } from '../model/reach.ts'
import type { Store } from '../store/store.ts'
import { inSlices, judgeBeside } from './judging.ts'
import { findForward, inOrder } from './reading.ts'
import type { ExposurePage } from './shapes.ts'

/** `names`: only these forwards, and all of them are asked whether their targets answer. */
export type LookForExposure = (names: readonly string[]) => Promise<ExposurePage>

/** So many forwards are asked whether their targets answer; more would take too long. */
const mostAsked = 20
/** So many where they are named. */
const mostNamed = 200
/** Further back in the history it is not looked for when a forward was made. */
const mostChanges = 1_000

export function exposureLook(agent: AgentClient, store: Store, now: () => number): LookForExposure {
  const changes = changesOf(store)
  const seen = sightings(now)
  const judging = oneByOne(judgeBeside)
  return async (names) => {
    const named = names.map((name) => findForward(store, name))
    const machine = await agent.ask({ verb: 'exposed' })
    const { generation, register } = store
    const declared = declaredBy(register, machine)
    const { mark } = declared
    const forwards = inOrder(store)
    const sorted = sorting(declared, machine)
    const tickets = await inSlices(forwards, sorted.add)
    const report = await judging({ machine, cases: sorted.cases, taken: sorted.taken(), mark })
    const told = teller(declared, machine, report.judged)
    const shown = named.length > 0 ? new Set(named.map(({ name }) => name)) : undefined
    const every = await inSlices(forwards, (forward, at) =>
      shown && !shown.has(forward.name) ? [] : [told(forward, tickets[at] ?? '')],
    )
    const ours = every.flat()
    const asking = ours.flatMap(({ state, name, answered }) =>
      state !== 'closed' && name && answered === null ? [name] : [],
    )
    const asked = asking.slice(0, shown ? mostNamed : mostAsked)
    const dead = await deadOf(agent, asked)
    const since = seen(report.undeclared)
    return {
      generation,
      exposures: [
        ...ours.map((one) => ({
          ...one,
          since: changes(one.name ?? ''),
          answered: one.answered ?? dead.get(one.name ?? '') ?? null,
        })),
        ...(shown ? [] : report.undeclared.map((one, at) => ({ ...one, since: since[at] ?? null }))),
      ],
      undeclared: shown ? 0 : report.undeclared.filter(isUndeclared).length,
      unasked: asking.length - asked.length,
      warnings: report.warnings,
    }
  }
}

function declaredBy({ lists, settings }: Store['register'], machine: Machine): Declared {
  const { locked, mark } = settings
  const whereabouts = new Map(Object.entries(machine.whereabouts))
  const down = new Map(Object.entries(machine.down).map(([name, dead]) => [name, new Set(dead)]))
  const entrances = new Map(Object.entries(machine.entrances))
  return { locked, mark, lists, whereabouts, down, entrances }
}

/** A judgement may take all of a processor, and the next one waits for it. */
function oneByOne<T, U>(work: (one: T) => Promise<U>): (one: T) => Promise<U> {
  let before: Promise<unknown> = Promise.resolve()
  return (one) => {
    const next = before.then(() => work(one))
    before = next.catch(() => {})
    return next
  }
}

/** As the agent takes them. */
const atOnce = 20

/** Whether somebody answers at a target of each of these. */
async function deadOf(agent: AgentClient, names: readonly string[]): Promise<ReadonlyMap<string, boolean>> {
  const found = new Map<string, boolean>()
  for (let from = 0; from < names.length; from += atOnce) {
    const some = names.slice(from, from + atOnce)
    const reached = await agent.ask({ verb: 'probe', names: some }).catch(() => [])
    for (const [name, all] of Map.groupBy(reached, ({ forward }) => forward))
      found.set(
        name,
        all.some((one) => !isDead(one)),
      )
  }
  return found
}

/** When each forward was last changed. */
function changesOf(store: Store): (name: string) => string | null {
  const changed = new Map<string, string>()
  for (const { at, forwards } of store.history(0, mostChanges).toReversed())
    for (const name of Object.keys(forwards)) changed.set(name, at)
  store.onCommit(({ at, forwards }) => {
    for (const name of Object.keys(forwards)) changed.set(name, at)
  })
  return (name) => changed.get(name) ?? null
}

/** When each of what nobody declared was first seen; what is gone is forgotten. */
function sightings(now: () => number): (exposures: readonly Exposure[]) => readonly string[] {
  let known: ReadonlyMap<string, string> = new Map()
  return (exposures) => {
    const at = new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const keys = exposures.map(({ kind, protocols, ports, addresses, behind, state }) =>
      [kind, protocols, ports, addresses, behind, state].join('\n'),
    )
    const times = keys.map((key) => known.get(key) ?? at)
    known = new Map(keys.map((key, index) => [key, times[index] ?? at]))
    return times
  }
}

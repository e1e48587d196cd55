/** What the outside can reach, since when, and whether somebody answers there. */
import type { AgentClient } from '../agent/client.ts'
import { type Exposure, isUndeclared } from '../model/exposure/exposure.ts'
import { reportOf } from '../model/exposure/report.ts'
import { isDead } from '../model/reach.ts'
import type { Store } from '../store/store.ts'
import { inOrder } from './reading.ts'
import type { ExposurePage } from './shapes.ts'

export type LookForExposure = () => Promise<ExposurePage>

/** So many forwards are asked whether their targets answer; more would take too long. */
const mostAsked = 20
/** Further back in the history it is not looked for when a forward was made. */
const mostChanges = 1_000

export function exposureLook(agent: AgentClient, store: Store, now: () => number): LookForExposure {
  const changes = changesOf(store)
  const seen = sightings(now)
  return async () => {
    const machine = await agent.ask({ verb: 'exposed' })
    const forwards = inOrder(store)
    const { locked, mark } = store.register.settings
    const { exposures, warnings } = reportOf(machine, {
      forwards,
      locked,
      mark,
      whereabouts: new Map(Object.entries(machine.whereabouts)),
    })
    const open = exposures.flatMap(({ kind, state, name }) =>
      kind === 'forward' && state !== 'closed' && name ? [name] : [],
    )
    const dead = await deadOf(agent, open.slice(0, mostAsked))
    const since = seen(exposures)
    return {
      generation: store.generation,
      exposures: exposures.map((one, at) =>
        one.kind === 'forward'
          ? { ...one, since: changes(one.name ?? ''), answered: dead.get(one.name ?? '') ?? null }
          : { ...one, since: since[at] ?? null },
      ),
      undeclared: exposures.filter(isUndeclared).length,
      warnings,
    }
  }
}

/** Whether somebody answers at the target of each of these. */
async function deadOf(agent: AgentClient, names: readonly string[]): Promise<ReadonlyMap<string, boolean>> {
  if (names.length === 0) return new Map()
  const reached = await agent.ask({ verb: 'probe', names: [...names] }).catch(() => [])
  return new Map(
    [...Map.groupBy(reached, ({ forward }) => forward)].map(([name, some]) => [
      name,
      some.some((one) => !isDead(one)),
    ]),
  )
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

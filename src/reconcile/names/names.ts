/** Names as targets, from the forwards to the agent: asked for, followed, remembered over restarts, and told. */
import { join } from 'node:path'
import type { AgentClient } from '../../agent/client.ts'
import type { PutMessage } from '../../agent/protocol.ts'
import type { Whereabouts } from '../../model/endpoints.ts'
import { parseForward } from '../../model/forward.ts'
import { type NameEvent, type NameView, printLocated } from '../../model/naming.ts'
import type { Store } from '../../store/store.ts'
import type { Clock } from '../runner.ts'
import { asker } from './asking.ts'
import { type Following, startFollowing } from './following.ts'
import { memoryKeeper, readMemory } from './memory.ts'
import { sourcesIn } from './sources.ts'
import { locatingFirst, teller } from './telling.ts'
import { namesOf, wantedNames } from './wanted.ts'

export interface Names {
  /** The agent, which is told where names lead before it is given forwards that have them. */
  readonly agent: AgentClient
  /** What is known of these names. */
  views(names: readonly string[]): readonly NameView[]
  /** Of all names of forwards that are on. */
  all(): readonly NameView[]
  whereabouts(names: readonly string[]): Whereabouts
  /** Asks for those of which nothing is known yet, and waits for the answers a few seconds at most. */
  settle(names: readonly string[]): Promise<void>
  stop(): void
}

/** A server that is there answers in a fraction of this; a change waits no longer. */
const patience = 3000
/** The machine's own addresses are asked for so often at most, in milliseconds. */
const ownFor = 1000

/** `directory` is where the store is. `tell` is called for every change. */
export function startNames(
  store: Store,
  agent: AgentClient,
  clock: Clock,
  directory: string,
  tell: (event: NameEvent) => void,
): Names {
  const path = join(directory, 'names.json')
  const told = new Map<string, { leads: readonly string[]; trouble: string }>()
  const leadsOf = (name: string) => following.places(name).map(printLocated)

  const changed = (names: readonly string[]) => {
    keep()
    for (const name of names) {
      const [view] = following.views([name])
      const before = told.get(name)
      if (!view || !before) {
        // Named by nobody any more: it was the service of another, or asked about by a plan.
        tellAgent([name])
        continue
      }
      const trouble = view.trouble?.kind ?? ''
      const same = view.leads.join() === before.leads.join()
      if (!same) tellAgent([name])
      if (!same || trouble !== before.trouble) tell({ view, before: before.leads })
      told.set(name, { leads: view.leads, trouble })
    }
  }

  const following: Following = startFollowing({
    ask: asker(sourcesIn()),
    clock,
    own: ownAddresses(agent),
    changed,
    remembered: readMemory(path),
    chance: Math.random,
  })
  const keep = memoryKeeper(path, following.known, clock)
  const tellAgent = teller(agent, following.places, clock)
  const learn = wantedNames(store, (names) => {
    following.follow(names)
    keep()
    for (const name of told.keys()) if (!names.has(name)) told.delete(name)
    for (const name of names) if (!told.has(name)) told.set(name, { leads: leadsOf(name), trouble: '' })
  })
  const namesIn = ({ forwards }: PutMessage) => [
    ...new Set(
      forwards.flatMap(({ forward }) => {
        const held = forward.name === undefined ? undefined : store.register.forwards.get(forward.name)
        return namesOf(held ?? parseForward(forward))
      }),
    ),
  ]
  const settle = (names: readonly string[]) => following.settle(names, patience)

  learn()
  store.onCommit(learn)
  return {
    agent: locatingFirst(agent, { settle, places: following.places, namesIn }),
    views: following.views,
    all: () => following.views([...told.keys()]),
    whereabouts: (names) => new Map(names.map((name) => [name, following.places(name)])),
    settle,
    stop: following.stop,
  }
}

/** As the agent knows them; while it is away, as they were. */
function ownAddresses(agent: AgentClient): () => Promise<ReadonlySet<string>> {
  let known: ReadonlySet<string> = new Set()
  let asked = Number.NEGATIVE_INFINITY
  let answer: Promise<void> = Promise.resolve()
  return async () => {
    if (performance.now() - asked > ownFor) {
      asked = performance.now()
      answer = agent.ask({ verb: 'facts' }).then(
        ({ addresses }) => {
          known = new Set(addresses)
        },
        () => {},
      )
    }
    await answer
    return known
  }
}

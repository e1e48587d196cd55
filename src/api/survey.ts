/** The machine as the agent sees it, for what is said of conflicts. */
import type { AgentClient } from '../agent/client.ts'
import { describeObstacle, type Obstacle } from '../model/foreign.ts'
import type { Holder } from '../model/holder.ts'
import { Intervals } from '../model/intervals.ts'
import { printListen } from '../model/listen.ts'
import { describeFate, describeHidden, type Hidden, type Listener } from '../model/listeners.ts'
import { Problem } from '../model/problem.ts'
import type { Store } from '../store/store.ts'
import {
  bounded,
  ephemeralSentence,
  hiddenBy,
  hidingSentence,
  type Mood,
  meetingSentences,
  mostNamed,
  type Surroundings,
} from './conflicts.ts'

/** Undefined where the agent does not answer. */
export async function survey(agent: AgentClient): Promise<Surroundings | undefined> {
  const asked = await Promise.all([
    agent.ask({ verb: 'facts' }),
    agent.ask({ verb: 'listeners' }),
    agent.ask({ verb: 'others' }),
  ]).catch(() => undefined)
  if (!asked) return undefined
  const [{ addresses, ephemeral, obstacles }, listeners, others] = asked
  return { addresses: new Set(addresses), ephemeral, listeners, others, obstacles }
}

/** What is known before the agent has ever answered. */
export const nothingAround: Surroundings = {
  listeners: [],
  others: { forwards: [], cutShort: false, legacy: false },
  obstacles: [],
  ephemeral: [],
  addresses: new Set(),
}

/** Why a change that hides these services is refused, a problem for each. */
export async function hiddenProblems(
  agent: AgentClient,
  hidden: readonly Hidden[],
): Promise<readonly Problem[]> {
  const some = hidden.slice(0, mostNamed)
  const holders = await holdersOf(
    agent,
    some.map(({ listener }) => listener),
  )
  return some.map((one, at) =>
    Problem.of('shadows-listener', {
      listen: printListen(one.forward.listen),
      service: describeHidden(one, holders[at]),
      fate: describeFate(one, 'would go'),
    }),
  )
}

/** Who holds the first of these, as far as the agent can tell. */
async function holdersOf(
  agent: AgentClient,
  listeners: readonly Listener[],
): Promise<readonly (Holder | undefined)[]> {
  const some = listeners.slice(0, mostNamed)
  return some.length === 0 ? [] : agent.ask({ verb: 'holders', listeners: some }).catch(() => [])
}

/** One sentence for each conflict of these forwards, in the mood of a plan or of what is. */
export async function conflictsOf(
  agent: AgentClient,
  { forwards, hidden }: { readonly forwards: Intervals; readonly hidden: readonly Hidden[] },
  surroundings: Surroundings,
  mood: Mood,
): Promise<readonly string[]> {
  const holders = await holdersOf(
    agent,
    hidden.map(({ listener }) => listener),
  )
  const services = hidden.map((one, at) => hidingSentence(one, holders[at], mood))
  const early = surroundings.ephemeral.flatMap((range) => [...forwards.within(range)])
  const questions = [...new Set(early)].flatMap(
    (forward) => ephemeralSentence(forward, surroundings.ephemeral) ?? [],
  )
  return bounded([
    ...(forwards.isEmpty ? [] : obstacleSentences(surroundings, 'chain')),
    ...services,
    ...meetingSentences(forwards, surroundings, mood),
    ...questions,
  ])
}

export type LookForConflicts = () => Promise<readonly string[] | undefined>

/** The conflicts there are now; undefined where the agent cannot say. The forwards are sorted once for each generation. */
export function liveConflicts(agent: AgentClient, store: Store): LookForConflicts {
  let sorted: { readonly at: number; readonly forwards: Intervals } | undefined
  return async () => {
    const surroundings = await survey(agent)
    if (!surroundings) return undefined
    if (store.register.settings.locked) return []
    if (sorted?.at !== store.generation) {
      sorted = { at: store.generation, forwards: new Intervals(store.register.forwards.values()) }
    }
    const { forwards } = sorted
    const hidden = hiddenBy(forwards, surroundings.listeners)
    const meeting = await conflictsOf(agent, { forwards, hidden }, surroundings, 'go')
    return [...obstacleSentences(surroundings, 'saved'), ...meeting]
  }
}

function obstacleSentences({ obstacles }: Surroundings, kind: Obstacle['kind']): readonly string[] {
  return obstacles.filter((one) => one.kind === kind).map(describeObstacle)
}

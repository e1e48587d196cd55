/** The machine as the agent sees it, for what is said of conflicts. */
import type { AgentClient } from '../agent/client.ts'
import type { Containers } from '../model/container.ts'
import { describeObstacle, type Obstacle } from '../model/foreign.ts'
import type { Forward } from '../model/forward.ts'
import { Intervals } from '../model/intervals.ts'
import { printListen } from '../model/listen.ts'
import { describeFate, describeHidden, type Hidden } from '../model/listeners.ts'
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
import { containerSentences, containersFor, leadTo } from './containers.ts'
import { holdersOf } from './holders.ts'
import { type Opened, openedAmong, openedSentences } from './opened.ts'

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

export interface Concerned {
  readonly all: readonly Forward[]
  readonly forwards: Intervals
  readonly hidden: readonly Hidden[]
  readonly opened: Opened
  readonly containers: Containers | undefined
}

/** One sentence for each conflict of these forwards, in the mood of a plan or of what is. */
export async function conflictsOf(
  agent: AgentClient,
  { all, forwards, hidden, opened, containers }: Concerned,
  surroundings: Surroundings,
  mood: Mood,
): Promise<readonly string[]> {
  const holders = await holdersOf(
    agent,
    hidden.map(({ listener }) => listener),
  )
  const services = hidden.map((one, at) => hidingSentence(one, holders[at], mood))
  // What is opened here is not translated, and does not come to the chains that forward.
  const translates = !forwards.isEmpty
  const early = surroundings.ephemeral.flatMap((range) => [...forwards.within(range)])
  const questions = [...new Set(early)].flatMap(
    (forward) => ephemeralSentence(forward, surroundings.ephemeral) ?? [],
  )
  return bounded([
    ...(translates ? obstacleSentences(surroundings, 'chain') : []),
    ...services,
    ...(await openedSentences(agent, opened, surroundings, mood)),
    ...meetingSentences(forwards, surroundings, mood),
    ...containerSentences(all, containers),
    ...bridgeSentences(surroundings, all, containers),
    ...questions,
  ])
}

export type LookForConflicts = () => Promise<readonly string[] | undefined>

/** The conflicts there are now; undefined where the agent cannot say. The forwards are sorted once for each generation. */
export function liveConflicts(agent: AgentClient, store: Store): LookForConflicts {
  let sorted: (Omit<Concerned, 'hidden' | 'containers'> & { readonly at: number }) | undefined
  return async () => {
    const surroundings = await survey(agent)
    if (!surroundings) return undefined
    if (store.register.settings.locked) return []
    if (sorted?.at !== store.generation) {
      const { forwards, lists, settings } = store.register
      const opened = openedAmong(forwards.values(), { lists, mark: settings.mark })
      sorted = {
        at: store.generation,
        all: [...forwards.values()],
        forwards: new Intervals(forwards.values()),
        opened,
      }
    }
    const { all, forwards, opened } = sorted
    const containers = await containersFor(agent, all)
    const hidden = hiddenBy(forwards, surroundings.listeners)
    const meeting = await conflictsOf(
      agent,
      { all, forwards, hidden, opened, containers },
      surroundings,
      'go',
    )
    const kinds = ['saved', 'unadmitted', 'proxy', 'proxy-died', 'certificate'] as const
    return [...kinds.flatMap((kind) => obstacleSentences(surroundings, kind)), ...meeting]
  }
}

/** Those bridges to which one of these forwards leads. */
function bridgeSentences(
  { obstacles }: Surroundings,
  forwards: readonly Forward[],
  containers: Containers | undefined,
): readonly string[] {
  const met = obstacles.filter((one) => one.kind === 'bridge' && leadTo(one.bridge, forwards, containers))
  return met.map(describeObstacle)
}

function obstacleSentences({ obstacles }: Surroundings, kind: Obstacle['kind']): readonly string[] {
  return obstacles.filter((one) => one.kind === kind).map(describeObstacle)
}

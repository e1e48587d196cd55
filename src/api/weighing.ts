/** What a change would do and what stands against it, asked of the store and the agent before anything is done. */
import type { Containers } from '../model/container.ts'
import type { Forward } from '../model/forward.ts'
import { Intervals } from '../model/intervals.ts'
import type { Hidden } from '../model/listeners.ts'
import { type Change, isEmpty, listsAfter } from '../model/register.ts'
import type { Session } from '../model/session.ts'
import { namesOf } from '../reconcile/names/wanted.ts'
import { tentativeMessage } from '../reconcile/pass.ts'
import type { Asking } from './asking.ts'
import { hiddenBy } from './conflicts.ts'
import { containerProblems, containersFor, portSentences } from './containers.ts'
import type { Parts } from './gateway.ts'
import { loopbackProblems, openedAmong, openedAnew } from './opened.ts'
import { planOf } from './plan.ts'
import { hiddenAnew } from './refusals.ts'
import type { Plan } from './shapes.ts'
import type { Sight } from './sight.ts'
import { doorsOf, narrows, ownAmong, reasonsToConfirm } from './standing.ts'
import { conflictsOf, hiddenProblems } from './survey.ts'
import { nameWarnings, warningsOf } from './warnings.ts'

/** What a command wants, worked out on the register as it is at that moment. */
export interface Wanted {
  readonly change: Change
  /** The forwards that the command speaks of, for warnings. */
  readonly named: readonly Forward[]
}

export interface Weighed extends Wanted {
  readonly plan: Plan
  /** Who was connected to this machine, where that matters. */
  readonly sessions: readonly Session[]
}

/** The plan of a change, with what only the machine knows of it. */
export async function weigh(
  { store, agent, names }: Pick<Parts, 'store' | 'agent' | 'names'>,
  sight: Sight,
  { change, named }: Wanted,
  asking: Asking,
): Promise<Weighed> {
  const { register } = store
  await names.settle([...new Set(named.filter(({ enabled }) => enabled).flatMap(namesOf))])
  const doors = doorsOf(sight.surroundings.listeners, asking.from)
  const asksFlows = !isEmpty(change) && (asking.dryRun || asking.from !== undefined)
  const asksSessions = narrows(register, change) || asking.from !== undefined
  const hidden = asking.takeOver ? [] : hiddenAnew(register, change, sight.surroundings.listeners)
  const sessions = asksSessions ? await sight.sessions(doors.map(({ port }) => port)) : []
  const own = ownAmong(sessions, asking.from)
  const anew = openedAnew(register.forwards, change.put)
  const containers = await containersFor(agent, [...named, ...change.put])
  const [weighed, refusals, loopback, warnings] = await Promise.all([
    asksFlows ? sight.weigh(tentativeMessage(store, change), own) : null,
    hiddenProblems(agent, hidden),
    loopbackProblems(agent, anew, sight.surroundings),
    warningsAbout({ store, agent, names }, sight, {
      named,
      change,
      hidden,
      anew,
      containers,
      dryRun: asking.dryRun,
    }),
  ])
  // Who goes back to what was gets it, with a warning.
  const missing = asking.takeOver ? [] : containerProblems(register.forwards, change.put, containers)
  const called = [...new Set(change.put.flatMap(namesOf))]
  const standing = { doors, sessions, own: weighed?.own ?? null, ownIsKnown: own.length === 1 }
  const plan = planOf(store, change, asking.dryRun, {
    conflicts: [...refusals, ...loopback, ...missing].map((problem) => problem.details()),
    warnings,
    flows: weighed?.effects ?? null,
    confirm: reasonsToConfirm(register, change, standing),
    names: names.views(called.slice(0, mostNames)),
    whereabouts: names.whereabouts(called),
  })
  return { change, named, plan, sessions }
}

/** Beyond these, names are for the status to tell. */
const mostNames = 20

interface About {
  readonly named: readonly Forward[]
  readonly change: Change
  readonly hidden: readonly Hidden[]
  /** Services of this machine that were not open before. */
  readonly anew: readonly Forward[]
  readonly containers: Containers | undefined
  readonly dryRun: boolean
}

/** What is refused is not told as a warning too. */
async function warningsAbout(
  { store, agent, names }: Pick<Parts, 'store' | 'agent' | 'names'>,
  { surroundings }: Sight,
  { named, change, hidden: refused, anew, containers, dryRun }: About,
): Promise<readonly string[]> {
  const { settings, lists } = store.register
  const forwards = new Intervals(named)
  const hidden = refused.length > 0 ? [] : hiddenBy(forwards, surroundings.listeners)
  const mood = dryRun ? 'would go' : 'go'
  const known = { lists: listsAfter(lists, change), mark: settings.mark }
  return [
    ...(settings.locked && named.length > 0 ? [lockedWarning] : []),
    ...named.slice(0, mostNames).flatMap((forward) => nameWarnings(forward, names.views(namesOf(forward)))),
    ...warningsOf(named, known.lists, surroundings.addresses),
    ...(await conflictsOf(
      agent,
      { all: named, forwards, hidden, opened: openedAmong(named, known, anew), containers },
      surroundings,
      mood,
    )),
    ...portSentences(named, containers),
  ]
}

const lockedWarning = 'the lockdown is on: no forward is open until drawbridge lockdown --lift'

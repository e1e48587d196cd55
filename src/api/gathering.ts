/** All that the doctor looks at: what the store wants, what the agent sees and measures, and what a probe has met. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentClient } from '../agent/client.ts'
import type { FactsAnswer } from '../agent/protocol.ts'
import { admitterOf, prefixesOf } from '../compile/elements.ts'
import type { Evidence } from '../doctor/evidence.ts'
import { passageOf } from '../doctor/passing.ts'
import type { Address } from '../model/address.ts'
import type { Exposure } from '../model/exposure/exposure.ts'
import type { Forward } from '../model/forward.ts'
import { describeMeeting, meets, type Others, turnOf } from '../model/others.ts'
import { Problem } from '../model/problem.ts'
import type { Trace } from '../model/trace.ts'
import type { Runner } from '../reconcile/runner.ts'
import type { Store } from '../store/store.ts'
import type { LookForExposure } from './exposing.ts'
import { besieged } from './repairs.ts'
import { unlessAway } from './sight.ts'

export interface Sources {
  readonly agent: AgentClient
  readonly store: Store
  readonly runner: Runner
  readonly exposure: LookForExposure
}

/** A forward that is there, or that the history knows. */
export interface Sick {
  readonly forward: Forward
  readonly gone: Evidence['gone']
}

/** A change of a moment ago is on its way. */
const settling = 1_000
/** What rules would do is waited for so long; a packet shows it as well. */
const judging = 3_000

export interface Around {
  readonly facts: FactsAnswer | undefined
  readonly others: Others | undefined
  readonly exposures: readonly Exposure[]
  readonly listeners: Evidence['listeners']
}

export async function surroundings({ agent, exposure }: Sources): Promise<Around> {
  const [facts, others, page, listeners] = await Promise.all([
    unlessAway(agent.ask({ verb: 'facts' })),
    unlessAway(agent.ask({ verb: 'others' })),
    Promise.race([unlessAway(exposure([])), sleep(judging, undefined, { ref: false })]),
    unlessAway(agent.ask({ verb: 'listeners' })),
  ])
  return { facts, others, exposures: page?.exposures ?? [], listeners: listeners ?? [] }
}

export async function evidenceOf(
  parts: Sources,
  { forward, gone }: Sick,
  client: Address | null,
  around: Promise<Around>,
): Promise<Evidence> {
  const { agent, store } = parts
  const { lists, settings } = store.register
  const [{ facts, others, exposures, listeners }, { exam, trace }] = await Promise.all([
    around,
    measured(agent, forward, client, gone === null && forward.enabled && !settings.locked),
  ])
  const exposure = exposures.find(({ kind, name }) => kind === 'forward' && name === forward.name)
  return {
    forward,
    gone,
    client,
    admits: admitsOf(forward, client, lists),
    locked: settings.locked,
    mark: settings.mark,
    trouble: facts ? await troubleOf(parts, await lately(agent, facts, trace), facts) : null,
    before: (others?.forwards ?? [])
      .filter((other) => turnOf(other) === 'before' && meets(forward, other))
      .map((other) => describeMeeting(forward, other, 'go')),
    passage: exposure ? passageOf(exposure, settings.mark) : null,
    listeners,
    trace,
    exam,
    agent: facts ? 'up' : 'away',
  }
}

/** A probe of a forward with limits is sent when its connections have been counted, as it is one for a moment. */
async function measured(
  agent: AgentClient,
  forward: Forward,
  client: Address | null,
  inForce: boolean,
): Promise<Pick<Evidence, 'exam' | 'trace'>> {
  const { name, limits } = forward
  const examined = unlessAway(agent.ask({ verb: 'examine', name, client: client?.text ?? null }))
  if (limits.newPerSource || limits.openPerSource) await examined
  const [exam, trace] = await Promise.all([examined, inForce ? traceOf(agent, forward, client) : null])
  return { exam: exam ?? null, trace }
}

/** None where none could be sent; why is told by other checks, or is no business of the forward's. */
async function traceOf(agent: AgentClient, { name }: Forward, client: Address | null): Promise<Trace | null> {
  const asked = agent.ask({ verb: 'trace', name, ...(client && { from: client.text }) })
  return asked.catch((error: Error) => {
    if (error instanceof Problem) return null
    throw error
  })
}

function admitsOf(
  forward: Forward,
  client: Address | null,
  lists: Store['register']['lists'],
): Evidence['admits'] {
  const { sources } = forward
  if (sources === 'anywhere') return 'yes'
  if (prefixesOf(sources, lists).length === 0) return 'nobody'
  return client && !admitterOf(forward, lists)(client) ? 'not the client' : 'yes'
}

/** Where a probe was taken by no forward, the table may have been gone just then. */
async function lately(agent: AgentClient, facts: FactsAnswer, trace: Trace | null): Promise<FactsAnswer> {
  if (trace?.ending.kind !== 'untaken') return facts
  return (await unlessAway(agent.ask({ verb: 'facts' }))) ?? facts
}

async function troubleOf(
  { runner, store }: Sources,
  facts: FactsAnswer,
  before: FactsAnswer,
): Promise<Evidence['trouble']> {
  const { repairs } = facts
  const of = ({ message, remedy }: Problem) => ({ why: message, remedy })
  const siege = besieged(repairs, before.repairs.count)
  if (siege) return of(siege)
  try {
    await runner.reached(store.generation, settling)
    return null
  } catch (error) {
    return of(runner.problem ?? (error as Problem))
  }
}

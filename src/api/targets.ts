/** What a change has led to, as the agent finds: whether targets answer, and whether firewalls admit what is opened. */
import type { AgentClient } from '../agent/client.ts'
import { describeObstacle } from '../model/foreign.ts'
import { type Forward, isOwn } from '../model/forward.ts'
import { describeReach, isDead, type Reach } from '../model/reach.ts'
import type { Change, Register } from '../model/register.ts'
import { describeProof, isFinding, type Proof } from '../model/trace.ts'

const mostForwards = 20

export interface Outcome {
  readonly warnings: readonly string[]
  readonly reached: readonly string[]
  /** What probes have shown, as sentences: of some forwards when there are many. */
  readonly proven: readonly string[]
}

/** Nothing, when the agent cannot be asked: the change is in force whether or not anybody answers. */
export async function outcomeOf(
  agent: AgentClient,
  forwards: readonly Forward[],
  concernsOwn: boolean,
): Promise<Outcome> {
  const names = forwards.flatMap(({ name, enabled }) => (enabled ? [name] : [])).slice(0, mostForwards)
  const [reaches, admitted] = await Promise.all([
    names.length === 0 ? [] : agent.ask({ verb: 'probe', names }).catch(() => []),
    concernsOwn ? agent.ask({ verb: 'admitted' }).catch(() => undefined) : undefined,
  ])
  const dead = new Set(reaches.filter(isDead).map(({ forward }) => forward))
  const proofs = await proofsOf(agent, forwards, dead)
  return {
    warnings: [
      ...reaches.filter(isDead).map(deadTarget),
      ...proofs.filter(isFinding).map((one) => `${describeProof(one)}${allTheSame}`),
      ...(admitted?.obstacles ?? []).map(describeObstacle),
      ...(admitted?.over === false ? [slowFirewall] : []),
    ],
    reached: reaches.filter((one) => !isDead(one)).map(describeReach),
    proven: provenWords(proofs, forwards.filter(({ enabled }) => enabled).length - dead.size),
  }
}

/** When firewalls have admitted them. What has a dead target is known not to answer, and told. */
async function proofsOf(
  agent: AgentClient,
  forwards: readonly Forward[],
  dead: ReadonlySet<string>,
): Promise<readonly Proof[]> {
  const open = forwards.filter(({ name, enabled }) => enabled && !dead.has(name))
  const names = open.map(({ name }) => name).slice(0, mostForwards)
  const proofs = names.length === 0 ? [] : await agent.ask({ verb: 'prove', names }).catch(() => [])
  const own = new Set(open.filter(isOwn).map(({ name }) => name))
  // That nobody listens here is said where it is looked at.
  return proofs.filter(({ forward, trace }) => trace?.ending.kind !== 'refused' || !own.has(forward))
}

function provenWords(proofs: readonly Proof[], wanted: number): readonly string[] {
  const sample = proofs.length < wanted ? [`${proofs.length} of ${wanted} forwards were probed`] : []
  return [...proofs.filter((one) => !isFinding(one)).map(describeProof), ...(proofs.length > 0 ? sample : [])]
}

const allTheSame = '; the forward is open all the same'

/** Whether what firewalls are to admit may be another thing after the change. */
export function concernsOwn(register: Register, change: Change): boolean {
  const { put, remove, putLists, removeLists, settings } = change
  const named = [
    ...put,
    ...[...remove, ...put.map(({ name }) => name)].flatMap((name) => register.forwards.get(name) ?? []),
  ]
  const [first] = register.sendingTo('self')
  const wide = putLists.length + removeLists.length > 0 || settings !== null
  return named.some(isOwn) || (wide && first !== undefined)
}

const slowFirewall =
  'a firewall of this machine is still being told what is open here: drawbridge status says so when it refuses'

function deadTarget(reach: Reach): string {
  return `${reach.forward}: ${describeReach(reach)}${allTheSame}`
}

/** Whether the targets of a change answer, as the agent finds. One that does not is worth a word, not a refusal. */
import type { AgentClient } from '../agent/client.ts'
import type { Forward } from '../model/forward.ts'
import { describeReach, type Reach } from '../model/reach.ts'

const mostForwards = 20

/** Nothing, when the agent cannot be asked: the change is in force whether or not anybody answers. */
export async function reachesOf(agent: AgentClient, forwards: readonly Forward[]): Promise<readonly Reach[]> {
  const names = forwards.flatMap(({ name, enabled }) => (enabled ? [name] : [])).slice(0, mostForwards)
  if (names.length === 0) return []
  return agent.ask({ verb: 'probe', names }).catch(() => [])
}

export function deadTarget(reach: Reach): string {
  return `${reach.forward}: ${describeReach(reach)}; the forward is open all the same`
}

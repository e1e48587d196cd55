/** Who holds listening sockets of this machine, as far as the agent can tell. */
import type { AgentClient } from '../agent/client.ts'
import type { Holder } from '../model/holder.ts'
import type { Listener } from '../model/listeners.ts'
import { mostNamed } from './conflicts.ts'

/** Of the first of these. */
export async function holdersOf(
  agent: AgentClient,
  listeners: readonly Listener[],
): Promise<readonly (Holder | undefined)[]> {
  const some = listeners.slice(0, mostNamed)
  return some.length === 0 ? [] : agent.ask({ verb: 'holders', listeners: some }).catch(() => [])
}

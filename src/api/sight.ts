/** The machine as the agent sees it. Without an agent it is what was seen last. */
import type { AgentClient } from '../agent/client.ts'
import type { PutMessage, WeighAnswer } from '../agent/protocol.ts'
import { Problem } from '../model/problem.ts'
import type { Session } from '../model/session.ts'
import type { Surroundings } from './conflicts.ts'
import { nothingAround, survey } from './survey.ts'

export class Sight {
  readonly #agent: AgentClient
  surroundings: Surroundings = nothingAround

  constructor(agent: AgentClient) {
    this.#agent = agent
  }

  /** Whether the agent has answered. */
  async look(): Promise<boolean> {
    const found = await survey(this.#agent)
    this.surroundings = found ?? this.surroundings
    return found !== undefined
  }

  /** Who is connected to these ports of this machine; nobody, where that cannot be known. */
  async sessions(ports: readonly number[]): Promise<readonly Session[]> {
    if (ports.length === 0) return []
    return (await unlessAway(this.#agent.ask({ verb: 'sessions', ports: [...ports] }))) ?? []
  }

  /** What a change would do to live connections; null where that is not known. */
  async weigh(change: PutMessage, mayBeOwn: readonly Session[]): Promise<WeighAnswer | null> {
    const own = mayBeOwn.map(({ client, clientPort }) => ({ address: client.text, port: clientPort }))
    return (await unlessAway(this.#agent.ask({ verb: 'weigh', change, own }))) ?? null
  }
}

/** Undefined where the agent does not answer. */
export async function unlessAway<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof Problem && error.code === 'agent-away') return undefined
    throw error
  }
}

/** Tells the agent where names lead: with the forwards that name them, and again whenever that changes. */
import type { AgentClient } from '../../agent/client.ts'
import type { AgentMessage, LocateMessage, PutMessage } from '../../agent/protocol.ts'
import type { Located } from '../../model/endpoints.ts'
import type { Clock } from '../runner.ts'

type Whereabouts = LocateMessage['located'][number]

function writtenPlaces(name: string, places: readonly Located[]): Whereabouts {
  const at = places.map(({ address, port, weight }) => ({
    address: address.text,
    ...(port !== undefined && { port }),
    ...(weight !== undefined && { weight }),
  }))
  return { name, at }
}

interface Asking {
  /** Resolves when these have been asked for, or it has taken too long. */
  readonly settle: (names: readonly string[]) => Promise<void>
  readonly places: (name: string) => readonly Located[]
  /** The names in the forwards of a message. */
  readonly namesIn: (message: PutMessage) => readonly string[]
}

/**
 * The agent as others ask it: forwards come to it with where their names lead. Of a name of which nothing is known nothing is said, as
 * the agent may know it from before.
 */
export function locatingFirst(agent: AgentClient, { settle, places, namesIn }: Asking): AgentClient {
  const located = async (message: PutMessage) => {
    const names = namesIn(message)
    if (names.length === 0) return []
    // What is remembered from before is good enough to begin with.
    await settle(names.filter((name) => places(name).length === 0))
    return names.map((name) => writtenPlaces(name, places(name))).filter(({ at }) => at.length > 0)
  }
  return {
    ...agent,
    ask: async (message) => {
      const asked: AgentMessage = message
      if (asked.verb === 'put') {
        const found = await located(asked)
        return agent.ask({ ...asked, ...(found.length > 0 && { located: found }) }) as never
      }
      if (asked.verb === 'weigh') {
        const found = await located(asked.change)
        if (found.length > 0) await agent.ask({ verb: 'locate', located: found })
      }
      return agent.ask(message)
    },
  }
}

const retryAfter = 1000

/** Gives what to call with names that lead elsewhere now. What the agent could not take it is told again. */
export function teller(
  agent: AgentClient,
  places: (name: string) => readonly Located[],
  clock: Pick<Clock, 'after'>,
): (names: readonly string[]) => void {
  const untold = new Set<string>()
  let telling = false

  const run = async () => {
    telling = true
    while (untold.size > 0) {
      const names = [...untold]
      untold.clear()
      try {
        await agent.ask({ verb: 'locate', located: names.map((name) => writtenPlaces(name, places(name))) })
      } catch {
        for (const name of names) untold.add(name)
        await new Promise<void>((resolve) => void clock.after(retryAfter, resolve))
      }
    }
    telling = false
  }

  return (names) => {
    for (const name of names) untold.add(name)
    if (!telling) void run()
  }
}

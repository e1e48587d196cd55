/** An agent without a kernel: an honest second implementation of the protocol, with a dump of what it holds. */

import type { AgentClient } from '../../src/agent/client.ts'
import {
  type AgentMessage,
  type AnswerOf,
  agentMessage,
  type PutAnswer,
  type PutMessage,
} from '../../src/agent/protocol.ts'
import { followed, type Place } from '../../src/agent/witness.ts'
import { noBans } from '../../src/model/bans.ts'
import { nothingChecked } from '../../src/model/condition.ts'
import { noContainers } from '../../src/model/container.ts'
import { type ForwardDocument, readDocument } from '../../src/model/document.ts'
import { parseForward, printForward } from '../../src/model/forward.ts'
import { Problem } from '../../src/model/problem.ts'

export interface MemoryAgent extends AgentClient {
  /** What the kernel would hold: names by number. */
  dump(): Record<number, string>
  /** The messages that wanted something put, in order. */
  readonly puts: readonly PutMessage[]
  /** Ends every connection; whoever asks meanwhile is told so. */
  goAway(): void
  /** Can be asked again. Started anew, it does not know what the kernel holds, but the kernel holds it. */
  comeBack(): void
  /** What the kernel says to the next puts; null: it takes them again. */
  refuseWith(problem: Problem | null): void
}

export function memoryAgent(): MemoryAgent {
  const forwards = new Map<string, number>()
  const puts: PutMessage[] = []
  const listeners: (() => void)[] = []
  let holds: number | null = null
  let away = false
  let seen: Place | undefined
  let refusal: Problem | null = null

  const put = (message: PutMessage): PutAnswer => {
    puts.push(message)
    if (refusal) throw refusal
    if (message.base !== null && message.base !== holds) return { outcome: 'whole-wanted', ended: 0 }
    const named = message.forwards.map(({ number, forward }) => [parseForward(forward).name, number] as const)
    const before = JSON.stringify([...forwards])
    if (message.base === null) forwards.clear()
    for (const name of message.removed) forwards.delete(name)
    for (const [name, number] of named) forwards.set(name, number)
    holds = message.generation
    return { outcome: before === JSON.stringify([...forwards]) ? 'already-so' : 'written', ended: 0 }
  }

  const answer = (message: AgentMessage): AnswerOf[AgentMessage['verb']] => {
    switch (message.verb) {
      case 'put':
        return put(message)
      case 'facts':
        return {
          addresses: [],
          ephemeral: [],
          holds,
          repairs: { count: 0, last: null, fighting: false, refused: '' },
          bootTrouble: '',
          neighbours: [],
          obstacles: [],
        }
      case 'endpoints':
        return []
      case 'examine':
        return null
      case 'containers':
        return noContainers
      case 'admitted':
        return { over: true, obstacles: [] }
      case 'locate':
        return {}
      case 'weigh':
        return { effects: [], own: null }
      case 'bans':
        return noBans
      case 'ban':
        return { outcome: 'taken' }
      case 'others':
        return { forwards: [], cutShort: false, legacy: false }
      case 'exposed':
        return {
          services: [],
          filters: { bases: [], chains: {}, cutShort: false, legacy: false },
          outside: [],
          addresses: [],
          ways: {},
          forwarding: [],
        }
      case 'listeners':
      case 'sessions':
      case 'holders':
      case 'probe':
      case 'prove':
        return []
      case 'health':
        return nothingChecked
      case 'turns':
        return { epoch: 'memory', last: 0, turns: [] }
      case 'trace':
        throw Problem.of('trace-unable', { words: 'there is no kernel' })
      case 'counts':
        return [...forwards.values()]
          .filter((number) => message.numbers?.includes(number) ?? true)
          .map((number) => ({ number, connections: 0, refused: 0, limited: 0 }))
      case 'witness':
        seen = followed(seen, message.base, message.digests)
        return seen
      case 'clear':
        forwards.clear()
        holds = null
        return {}
    }
  }

  return {
    puts,
    dump: () => Object.fromEntries([...forwards].map(([name, number]) => [number, name])),
    ask: async (message) => {
      const crossed: unknown = JSON.parse(JSON.stringify(message))
      if (away) throw Problem.of('agent-away', {})
      return answer(readDocument(agentMessage, 'message', crossed)) as never
    },
    onAway: (listener) => void listeners.push(listener),
    close: () => {},
    goAway: () => {
      away = true
      for (const listener of listeners) listener()
    },
    comeBack: () => {
      away = false
      holds = null
    },
    refuseWith: (problem) => {
      refusal = problem
    },
  }
}

/** A message as reconcile sends it. */
export function putOf(
  generation: number,
  base: number | null,
  forwards: Record<number, string | ForwardDocument>,
  removed: string[] = [],
): PutMessage {
  return {
    verb: 'put',
    generation,
    kept: true,
    base,
    mark: '0x2db00000/0xfff00000',
    locked: false,
    lists: [],
    removedLists: [],
    forwards: Object.entries(forwards).map(([number, short]) => ({
      number: Number(number),
      forward: printForward(parseForward(short)),
    })),
    removed,
    closed: [],
  }
}

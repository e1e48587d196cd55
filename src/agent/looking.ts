/** Questions that change nothing of what is held, and need nothing but what is held. */

import { countForwards } from './counting.ts'
import { viewEndpoints } from './endpoints.ts'
import { examine } from './examining/examining.ts'
import { lookAround } from './exposing.ts'
import type { Holding } from './holding.ts'
import type { Machine } from './machine.ts'
import { probe } from './probing.ts'
import type { AgentMessage, AnswerOf, FactsAnswer } from './protocol.ts'

export type Question = AgentMessage & {
  readonly verb:
    | 'listeners'
    | 'admitted'
    | 'containers'
    | 'exposed'
    | 'others'
    | 'holders'
    | 'endpoints'
    | 'health'
    | 'turns'
    | 'probe'
    | 'trace'
    | 'prove'
    | 'examine'
    | 'sessions'
    | 'counts'
    | 'witness'
}

export async function factsOf(
  { readHost, beside, proxying }: Machine,
  own: Pick<FactsAnswer, 'holds' | 'repairs' | 'bootTrouble'>,
): Promise<FactsAnswer> {
  const { addresses, ephemeral } = readHost()
  return {
    ...own,
    addresses,
    ephemeral,
    neighbours: beside.seen,
    obstacles: [...beside.obstacles, ...(await proxying.obstacles())],
  }
}

export function answerQuestion(
  machine: Machine,
  holding: Holding,
  question: Question,
): Promise<AnswerOf[Question['verb']]> | AnswerOf[Question['verb']] {
  const { door, beside, witness, containing, watching, tracing } = machine
  switch (question.verb) {
    case 'listeners':
      return door.listeners()
    case 'admitted':
      return beside.admitted()
    case 'containers':
      return containing.fresh()
    case 'exposed':
      return lookAround(machine, holding, containing.seen.containers)
    case 'others':
      return beside.others()
    case 'holders':
      return door.holders(question.listeners)
    case 'endpoints':
      return viewEndpoints(machine, holding, question.name)
    case 'health':
      return watching.summary()
    case 'turns':
      return watching.turnsAfter(question.epoch, question.after)
    case 'probe':
      return probe(door, holding, question.names)
    case 'trace':
      return tracing.trace(holding, question)
    case 'prove':
      return tracing.prove(holding, question.names)
    case 'examine':
      return examine(machine, holding, question)
    case 'sessions':
      return door.sessions(question.ports)
    case 'counts':
      return countForwards({ door, uncounted: tracing.uncounted }, holding, question.numbers)
    case 'witness':
      return witness.see(question.base, question.digests)
  }
}

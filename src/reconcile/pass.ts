/** One pass: makes the agent hold what the store wants. It takes no hint about what changed; it compares generations. */
import type { AgentClient } from '../agent/client.ts'
import type { PutAnswer, PutMessage } from '../agent/protocol.ts'
import { reach } from '../faults.ts'
import { printPrefix } from '../model/address.ts'
import type { ForwardDocument } from '../model/document.ts'
import { printForward } from '../model/forward.ts'
import { printMark } from '../model/gateway.ts'
import { printListen } from '../model/listen.ts'
import type { Store, Touched } from '../store/store.ts'

export interface PassResult {
  /** The generation that the kernel holds now. */
  readonly holds: number
  /** Whether the agent knows that this generation is to stay. */
  readonly kept: boolean
  readonly ended: number
}

/** `holds`: the generation that the agent is believed to hold, or null. Rejects with the agent's problem. */
export async function reconcile(store: Store, agent: AgentClient, holds: number | null): Promise<PassResult> {
  const touched = holds === null ? undefined : store.since(holds)
  const message = touched ? changeMessage(store, holds, touched) : wholeMessage(store)
  const answer = await put(agent, message)
  if (answer.outcome !== 'whole-wanted') return done(message, answer)
  const whole = wholeMessage(store)
  return done(whole, await put(agent, whole))
}

async function put(agent: AgentClient, message: PutMessage): Promise<PutAnswer> {
  reach('put-sending')
  const answer = await agent.ask(message)
  reach('put-answered')
  return answer
}

function done({ generation, kept }: PutMessage, { ended }: PutAnswer): PassResult {
  return { holds: generation, kept, ended }
}

function wholeMessage(store: Store): PutMessage {
  const { forwards, lists } = store.register
  const everything = { forwards: new Set(forwards.keys()), lists: new Set(lists.keys()) }
  return { ...changeMessage(store, null, everything), closed: closedLately(store) }
}

/** A crash interrupts the newest change, or the few that came while no agent was there. */
const changesBack = 20

function closedLately(store: Store): ForwardDocument[] {
  const { forwards } = store.register
  const changes = store.history(Math.max(0, store.generation - changesBack), changesBack)
  return changes.flatMap((change) =>
    Object.entries(change.forwards).flatMap(([name, { before }]) => {
      const now = forwards.get(name)
      return before && !(now && printListen(now.listen) === before.listen) ? [before] : []
    }),
  )
}

function changeMessage(store: Store, base: number | null, touched: Touched): PutMessage {
  const { forwards, lists, settings } = store.register
  const wanted = [...touched.forwards].flatMap((name) => forwards.get(name) ?? [])
  const listed = [...touched.lists].flatMap((name) => lists.get(name) ?? [])
  return {
    verb: 'put',
    generation: store.generation,
    kept: store.pending === null,
    base,
    mark: printMark(settings.mark),
    locked: settings.locked,
    lists: listed.map(({ name, prefixes }) => ({ name, entries: prefixes.map(printPrefix) })),
    removedLists: [...touched.lists].filter((name) => !lists.has(name)),
    forwards: wanted.map((forward) => ({
      number: store.numberOf(forward.name),
      forward: printForward(forward),
    })),
    removed: [...touched.forwards].filter((name) => !forwards.has(name)),
    closed: [],
  }
}

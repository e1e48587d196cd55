/** One pass: makes the agent hold what the store wants. It takes no hint about what changed; it compares generations. */
import type { AgentClient } from '../agent/client.ts'
import type { PutAnswer, PutMessage } from '../agent/protocol.ts'
import { reach } from '../faults.ts'
import { printPrefix } from '../model/address.ts'
import type { ForwardDocument } from '../model/document.ts'
import { printForward } from '../model/forward.ts'
import { printMark, type Settings } from '../model/gateway.ts'
import { printListen } from '../model/listen.ts'
import type { Change } from '../model/register.ts'
import type { Store, Touched } from '../store/store.ts'

export interface PassResult {
  /** The generation that the kernel holds now. */
  readonly holds: number
  /** Whether the agent knows that this generation is to stay. */
  readonly kept: boolean
  readonly ended: number
}

/** `holds`: the generation that the agent is believed to hold, or null. Rejects with the agent's problem. */
export async function reconcile(
  store: Store,
  agent: AgentClient,
  holds: number | null,
  meant = false,
): Promise<PassResult> {
  const touched = holds === null ? undefined : store.since(holds)
  const message = touched
    ? changeMessage(store, holds, touched)
    : { ...wholeMessage(store), ...(meant && { meant }) }
  const answer = await put(agent, message)
  if (answer.outcome !== 'whole-wanted') return done(message, answer)
  const whole = { ...wholeMessage(store), ...(meant && { meant }) }
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
  const put = [...touched.forwards].flatMap((name) => forwards.get(name) ?? [])
  const change: Change = {
    put,
    remove: [...touched.forwards].filter((name) => !forwards.has(name)),
    putLists: [...touched.lists].flatMap((name) => lists.get(name) ?? []),
    removeLists: [...touched.lists].filter((name) => !lists.has(name)),
    settings,
  }
  const numbers = put.map(({ name }) => store.numberOf(name))
  return messageOf(change, {
    settings,
    numbers,
    generation: store.generation,
    base,
    kept: store.pending === null,
  })
}

/** The message that `change` would be, were it the next generation: to be weighed, not to be put. */
export function tentativeMessage(store: Store, change: Change): PutMessage {
  const { generation, nextNumber, register } = store
  const numbers = change.put.map(({ name }, index) =>
    register.forwards.has(name) ? store.numberOf(name) : nextNumber + index,
  )
  const settings = change.settings ?? register.settings
  return messageOf(change, { settings, numbers, generation: generation + 1, base: generation, kept: true })
}

interface Version extends Pick<PutMessage, 'generation' | 'base' | 'kept'> {
  readonly settings: Settings
  /** The numbers of the forwards that the change puts, in its order. */
  readonly numbers: readonly number[]
}

function messageOf(change: Change, { settings, numbers, generation, base, kept }: Version): PutMessage {
  return {
    verb: 'put',
    generation,
    kept,
    base,
    mark: printMark(settings.mark),
    locked: settings.locked,
    lists: change.putLists.map(({ name, prefixes }) => ({ name, entries: prefixes.map(printPrefix) })),
    removedLists: [...change.removeLists],
    forwards: change.put.map((forward, index) => ({
      number: numbers[index] ?? 0,
      forward: printForward(forward),
    })),
    removed: [...change.remove],
    closed: [],
  }
}

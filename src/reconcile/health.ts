/** Enters in the log which targets went down and came up, as the agent tells it: an act, as nothing that is wanted changes. */
import type { AgentClient } from '../agent/client.ts'
import { describeTurned, type Turned } from '../model/condition.ts'
import { byItself } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from './runner.ts'

const every = 1000
/** So many are named in one entry, and so many entries are looked through for the last one before this process. */
const mostNamed = 5
const mostLookedAt = 200

export function startHealthLog(store: Store, agent: AgentClient, clock: Clock): () => void {
  let epoch = ''
  let after = 0
  /** The instant of the newest turn that is in the log; undefined until that has been looked up. */
  let entered: string | undefined
  let stopped = false
  let cancel = () => {}

  const look = async () => {
    entered ??= await lastEntered(store)
    const found = await agent.ask({ verb: 'turns', epoch, after })
    const since = entered
    // An agent tells all it knows to a controller that has been started anew. Afterwards its count says what is new, as a
    // clock may have been set back.
    const fresh = found.epoch === epoch ? found.turns : found.turns.filter(({ at }) => at > since)
    const at = fresh.at(-1)?.at
    if (at !== undefined) {
      store.record(byItself('health', at, noteOf(fresh)))
      entered = at
    }
    epoch = found.epoch
    after = found.last
  }

  const run = async () => {
    // While nothing is checked the agent is not asked. What cannot be asked, or entered, now is the next time.
    if (isAnythingChecked(store)) await look().catch(() => {})
    if (!stopped) cancel = clock.after(every, run)
  }
  void run()
  return () => {
    stopped = true
    cancel()
  }
}

function isAnythingChecked({ register }: Store): boolean {
  for (const { health } of register.forwards.values()) if (health) return true
  return false
}

async function lastEntered(store: Store): Promise<string> {
  const { entries } = await store.entries(Math.max(0, store.log.head.entry - mostLookedAt), mostLookedAt)
  return entries.findLast(({ how }) => how === 'health')?.at ?? ''
}

function noteOf(turns: readonly Turned[]): string {
  const more = turns.length - mostNamed
  const named = turns.slice(0, mostNamed).map(describeTurned)
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}

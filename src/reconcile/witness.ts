/** Shows the agent how the audit log grows, after each entry and when the agent has come back; nobody waits for it. */
import type { AgentClient } from '../agent/client.ts'
import { digestOf } from '../chain.ts'
import { linkOf } from '../store/record.ts'
import type { Mark, Store } from '../store/store.ts'
import type { Clock } from './runner.ts'

type Place = Pick<Mark, 'entry' | 'hash'>

/** So many entries are shown at a time. */
const most = 1000
const retryAfter = 1000

/** `tell` is called once with the entry up to which the agent has seen another log than this one. */
export function startWitness(
  store: Store,
  agent: AgentClient,
  clock: Clock,
  tell: (entry: number) => void,
): () => void {
  let seen: Place | undefined
  let told = false
  let running = false
  let again = false
  let stopped = false
  let cancel = () => {}

  const show = async (base: Place, digests: readonly string[]): Promise<Place> =>
    agent.ask({ verb: 'witness', base: { entry: base.entry, hash: base.hash }, digests: [...digests] })

  /** One step; false when the agent has seen all, or another log. */
  const step = async (): Promise<boolean> => {
    const { head } = store.log
    seen ??= await show(head, [])
    const { before, entries } = await store.entries(seen.entry, most)
    const here = entries.length === 0 ? head : { entry: (entries[0]?.entry ?? 0) - 1, hash: before }
    if (here.entry !== seen.entry || here.hash !== seen.hash) {
      if (!told) tell(seen.entry)
      told = true
      seen = undefined
      return false
    }
    told = false
    if (entries.length > 0)
      seen = await show(
        seen,
        entries.map((entry) => digestOf(linkOf(entry))),
      )
    return seen.entry < store.log.head.entry
  }

  const run = async () => {
    running = true
    while (again && !stopped) {
      again = false
      try {
        again = (await step()) || again
      } catch {
        seen = undefined
        cancel()
        cancel = clock.after(retryAfter, wake)
      }
    }
    running = false
  }

  const wake = () => {
    again = true
    if (!running && !stopped) void run()
  }

  store.onCommit(wake)
  agent.onAway(() => {
    seen = undefined
    wake()
  })
  wake()
  return () => {
    stopped = true
    cancel()
  }
}

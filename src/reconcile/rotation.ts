/** Keeps the audit log in the store to a size at which everything stays quick: what is older goes to archives. */
import type { Store } from '../store/store.ts'

/** A change a minute for ten weeks, some 60 MB; a tenth of it moves at a time. */
const mostEntries = 100_000
const margin = 10_000

/** Changes of whole gateways are large: beyond this the older half moves, but never the last few. */
const mostBytes = 512 * 1024 * 1024
const fewest = 10

/** `tell` gets why it failed; it is tried again when the log has grown by as much again as is moved at a time. */
export function startRotation(store: Store, tell: (why: string) => void): () => void {
  let stopped = false
  let running = false
  let notBefore = 0

  const run = async (keep: number) => {
    running = true
    try {
      await store.archive(keep)
    } catch (error) {
      notBefore = store.log.head.entry + margin
      tell(`old entries of the audit log could not be archived: ${(error as Error).message}`)
    }
    running = false
  }

  const look = () => {
    const { head, base } = store.log
    const held = head.entry - base.entry
    if (stopped || running || head.entry < notBefore) return
    if (held >= mostEntries + margin) void run(mostEntries)
    else if (held >= fewest * 2 && store.bytes() > mostBytes) void run(Math.floor(held / 2))
  }

  store.onCommit(look)
  look()
  return () => {
    stopped = true
  }
}

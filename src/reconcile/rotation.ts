/** Keeps the audit log in the store to a size at which everything stays quick: what is older goes to archives. */
import type { Store } from '../store/store.ts'

interface Limits {
  /** So many entries stay, and `margin` more before those move. */
  readonly entries: number
  readonly margin: number
  /** Changes of whole gateways are large: beyond this size of the store the older half moves. */
  readonly bytes: number
}

/** A change a minute for ten weeks, some 50 MB. */
const usual: Limits = { entries: 100_000, margin: 10_000, bytes: 512 * 1024 * 1024 }

/** Never moved because of their size. */
const fewest = 10

/** `tell` gets why it failed; it is tried again when the log has grown by as much again as is moved at a time. */
export function startRotation(store: Store, tell: (why: string) => void, limits = usual): () => void {
  let stopped = false
  let running = false
  let notBefore = 0

  const run = async (keep: number) => {
    running = true
    try {
      await store.archive(keep)
    } catch (error) {
      notBefore = store.log.head.entry + limits.margin
      tell(`old entries of the audit log could not be archived: ${(error as Error).message}`)
    }
    running = false
  }

  const look = () => {
    const { head, base } = store.log
    const held = head.entry - base.entry
    if (stopped || running || head.entry < notBefore) return
    if (held >= limits.entries + limits.margin) void run(limits.entries)
    else if (held >= fewest * 2 && store.bytes() > limits.bytes) void run(Math.floor(held / 2))
  }

  store.onCommit(look)
  look()
  return () => {
    stopped = true
  }
}

/** When a pass runs: at once after a change, again with growing pauses after a failure, and when the agent came back. */
import type { AgentClient } from '../agent/client.ts'
import { Problem } from '../model/problem.ts'
import type { Store, Uptime } from '../store/store.ts'
import { reconcile } from './pass.ts'

/** The time the runner lives by, injected. */
export interface Clock {
  /** The wall clock, which people and NTP set. */
  now(): number
  /** A clock that nobody sets and that goes on while the machine is suspended. */
  uptime(): Uptime
  /** Calls `work` after `milliseconds`; the answer cancels it. */
  after(milliseconds: number, work: () => void): () => void
}

/** What is done when its time has come. */
export interface Timed {
  /** Why it could not be done; null when it was, or is not due. It is tried again. */
  readonly problem: Problem | null
  stop(): void
}

export interface Runner {
  /** The generation in the kernel, or null while it is not known. */
  readonly holds: number | null
  /** When the newest generation that it has held came into force, by `performance.now`; before the first one: never yet. */
  readonly inForceSince: number
  /** Why the last pass failed; null when it did not. */
  readonly problem: Problem | null
  /**
   * Resolves when the kernel holds this generation or a later one, and the next boot what is confirmed; rejects with the
   * reason when it takes too long.
   */
  reached(generation: number, withinMilliseconds: number): Promise<void>
  /** Somebody says that this store is meant, though the kernel holds a later generation. */
  accept(): void
  stop(): void
}

const firstPause = 100
const longestPause = 5000

export function startRunner(store: Store, agent: AgentClient, clock: Clock): Runner {
  let holds: number | null = null
  let kept = false
  /** What the kernel held last, also where that is not known any more. */
  let held: number | null = null
  let inForceSince = Number.POSITIVE_INFINITY
  /** The newest generation that a pass has tried. */
  let attempted = -1
  let problem: Problem | null = null
  let running = false
  let again = false
  /** Until a pass succeeds: the kernel's later generation gives way. */
  let meant = false
  let stopped = false
  let pause = firstPause
  let cancel = () => {}
  const waiting = new Set<() => void>()

  /** The agent holds what is wanted, and knows whether it is to stay. */
  const inStep = () => holds === store.generation && kept === (store.pending === null)

  const isReached = (generation: number) =>
    holds !== null && holds >= generation && kept === (store.pending === null)

  const wake = () => {
    cancel()
    again = true
    if (!running && !stopped) void run()
  }

  const run = async () => {
    running = true
    while (again && !stopped) {
      again = false
      await once()
    }
    running = false
  }

  const once = async () => {
    attempted = store.generation
    try {
      if (!inStep()) ({ holds, kept } = await reconcile(store, agent, holds, meant))
      if (holds !== held) inForceSince = performance.now()
      held = holds
      meant = false
      problem = null
      pause = firstPause
    } catch (error) {
      holds = null
      problem =
        error instanceof Problem ? error : Problem.of('went-wrong', { why: (error as Error).message }, error)
      cancel = clock.after(pause, wake)
      pause = Math.min(pause * 2, longestPause)
    }
    if (holds !== null && !inStep()) again = true
    for (const check of [...waiting]) check()
  }

  agent.onAway(() => {
    holds = null
    cancel()
    if (!stopped && !running) cancel = clock.after(firstPause, wake)
  })
  store.onCommit(() => wake())
  wake()

  return {
    get holds() {
      return holds
    },
    get inForceSince() {
      return inForceSince
    },
    get problem() {
      return problem
    },
    reached: (generation, within) =>
      new Promise((resolve, reject) => {
        const settle = (finish: () => void) => {
          waiting.delete(check)
          giveUp()
          finish()
        }
        const check = () => {
          if (isReached(generation)) settle(resolve)
          // Where another pass follows at once, this one's problem is not the last word.
          else if (!again && attempted >= generation && problem && problem.code !== 'agent-away')
            settle(() => reject(problem))
        }
        const giveUp = clock.after(within, () => {
          waiting.delete(check)
          const why = problem?.message ?? 'it takes longer than expected'
          reject(
            Problem.of('not-in-step', { wanted: generation, have: holds ?? 0, why }, problem ?? undefined),
          )
        })
        waiting.add(check)
        if (isReached(generation)) check()
      }),
    accept: () => {
      meant = true
      wake()
    },
    stop: () => {
      stopped = true
      cancel()
    },
  }
}

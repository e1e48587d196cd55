/** A clock that is moved by hand: nothing happens between two moves. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../../src/reconcile/runner.ts'

export interface HandClock extends Clock {
  /** Lets time pass: timers fire in their order, and what they start has its turn. */
  pass(milliseconds: number): Promise<void>
  /** Sets the wall clock without any time passing, as an administrator or NTP does. */
  jump(milliseconds: number): void
  /** The machine sleeps: time passes, but not for timers. */
  suspend(milliseconds: number): void
  /** The machine is started anew: its uptime begins again. */
  reboot(): void
  /** Milliseconds until each timer that waits, the next one first. */
  waits(): number[]
}

interface Timer {
  readonly at: number
  readonly work: () => void
}

export function handClock(start: string): HandClock {
  let elapsed = 0
  let offset = Date.parse(start)
  let slept = 0
  let boots = 1
  const timers = new Set<Timer>()
  const inOrder = () => [...timers].sort((a, b) => a.at - b.at)

  const fire = async (timer: Timer) => {
    timers.delete(timer)
    elapsed = Math.max(elapsed, timer.at)
    timer.work()
    await settled()
  }

  return {
    now: () => offset + elapsed + slept,
    uptime: () => ({ boot: `boot ${boots}`, milliseconds: elapsed + slept }),
    suspend: (milliseconds) => {
      slept += milliseconds
    },
    reboot: () => {
      boots += 1
    },
    after: (milliseconds, work) => {
      const timer = { at: elapsed + milliseconds, work }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    async pass(milliseconds) {
      const end = elapsed + milliseconds
      await settled()
      for (let next = inOrder()[0]; next && next.at <= end; next = inOrder()[0]) await fire(next)
      elapsed = end
    },
    jump: (milliseconds) => {
      offset += milliseconds
    },
    waits: () => inOrder().map(({ at }) => at - elapsed),
  }
}

/** Everything that is under way without a timer has come to its end. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await turn()
}

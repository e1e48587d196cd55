/** New connections, one after the other on several lanes, each counted: none may fail while something is restarted. */
import { setTimeout as sleep } from 'node:timers/promises'
import { greet } from './asking.ts'
import { type Destination, parseAnswer, type Tally, wordFor } from './protocol.ts'

export interface Loading {
  readonly look: () => Tally
  readonly end: () => Promise<Tally>
}

type Load = Destination & { readonly lanes: number; readonly every: number }

export function load({ lanes, every, ...to }: Load): Loading {
  const began = performance.now()
  const failures: { readonly at: number; readonly why: string }[] = []
  const identities = new Set<string>()
  let [asked, longest, over] = [0, 0, false]

  const once = async () => {
    asked += 1
    const from = performance.now()
    try {
      const { socket, line } = await greet(to)
      identities.add(parseAnswer(line).identity)
      // A reset leaves no TIME_WAIT, which would use up the ports of the client.
      socket.resetAndDestroy()
    } catch (error) {
      failures.push({ at: Math.round(from - began), why: wordFor(error as NodeJS.ErrnoException) })
    }
    longest = Math.max(longest, Math.round(performance.now() - from))
  }
  const lane = async () => {
    while (!over) {
      await once()
      await sleep(every)
    }
  }
  const running = Array.from({ length: lanes }, lane)
  const look = () => ({ asked, failures, longest, identities: [...identities] })
  return {
    look,
    end: async () => {
      over = true
      await Promise.all(running)
      return look()
    },
  }
}

/** Targets that turn, as entries of the log. */
import { expect, test } from 'vitest'
import type { AgentClient } from '../../src/agent/client.ts'
import { TurnBook } from '../../src/agent/health/turns.ts'
import type { AgentMessage } from '../../src/agent/protocol.ts'
import type { Turned } from '../../src/model/condition.ts'
import { parseForward } from '../../src/model/forward.ts'
import { asKept, noChange } from '../../src/model/register.ts'
import { startHealthLog } from '../../src/reconcile/health.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { origin } from '../store/changes.ts'
import { memoryAgent } from './agent.ts'
import { handClock } from './clock.ts'

const turn = (at: string, state: Turned['state']): Turned => ({
  at,
  state,
  forward: 'web',
  endpoint: '10.0.0.5:80',
  trouble: 'it refuses connections',
  flapping: false,
})

test('what turns after the clock was set back is entered too, and a controller started anew enters nothing twice', async () => {
  const store = openMemoryStore()
  const forward = parseForward({ name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80', health: 'tcp' })
  store.commit({ ...noChange, put: [forward] }, origin, asKept)
  const book = new TurnBook()
  const memory = memoryAgent()
  const agent: AgentClient = {
    ...memory,
    ask: async (message) => {
      const asked: AgentMessage = message
      return asked.verb === 'turns' ? (book.after(asked.epoch, asked.after) as never) : memory.ask(message)
    },
  }
  const clock = handClock('2026-11-24T10:00:00Z')
  const entered = async () => {
    const { entries } = await store.entries(0, 100)
    return entries.filter(({ how }) => how === 'health').map(({ at }) => at)
  }

  const stop = startHealthLog(store, agent, clock)
  await clock.pass(1000)
  book.enter(turn('2026-11-24T10:00:01.000Z', 'down'))
  await clock.pass(1000)
  book.enter(turn('2026-11-24T09:00:02.000Z', 'up'))
  await clock.pass(1000)
  book.enter(turn('2026-11-24T10:00:03.000Z', 'down'))
  await clock.pass(1000)
  const all = ['2026-11-24T10:00:01.000Z', '2026-11-24T09:00:02.000Z', '2026-11-24T10:00:03.000Z']
  expect(await entered()).toEqual(all)
  stop()

  const again = startHealthLog(store, agent, clock)
  await clock.pass(3000)
  expect(await entered()).toEqual(all)
  again()
})

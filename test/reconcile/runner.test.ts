/** The rhythm of passes: at once after a change, again after a failure, whole after the agent was away. */
import { beforeEach, describe, expect, test } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { type Runner, startRunner } from '../../src/reconcile/runner.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { careful, type change, closing, opening, origin } from '../store/changes.ts'
import { type MemoryAgent, memoryAgent } from './agent.ts'
import { type HandClock, handClock, settled } from './clock.ts'

const refusal = Problem.of('kernel-refused', { words: 'no such file or directory' })

let store: Store
let agent: MemoryAgent
let clock: HandClock

beforeEach(() => {
  store = openMemoryStore()
  agent = memoryAgent()
  clock = handClock('2027-01-31T00:00:00Z')
})

const commit = (wanted: ReturnType<typeof change>) => store.commit(wanted, origin, careful)
const start = () => startRunner(store, agent, clock)

/** What became of a promise by now. */
async function outcomeOf(promise: Promise<void>): Promise<string> {
  const states = promise.then(
    () => 'reached',
    (problem: Problem) => problem.code,
  )
  await settled()
  return Promise.race([states, Promise.resolve('waiting')])
}

describe('in step', () => {
  test('at the start the whole is put, and then each change by itself', async () => {
    commit(opening('a', 2000))
    const runner = start()
    await settled()
    expect(runner.holds).toBe(1)
    expect(agent.dump()).toEqual({ 1: 'a' })
    commit(opening('b', 2001))
    commit(closing('a'))
    await settled()
    expect(runner.holds).toBe(3)
    expect(agent.dump()).toEqual({ 2: 'b' })
    expect(agent.puts.map(({ base, generation }) => [base, generation])).toEqual([
      [null, 1],
      [1, 2],
      [2, 3],
    ])
    expect(agent.puts[2]).toMatchObject({ forwards: [], removed: ['a'] })
  })

  test('an agent that holds another generation is told everything', async () => {
    const runner = start()
    await settled()
    agent.comeBack() // Started anew so fast that nobody saw it away.
    commit(opening('a', 2000))
    await settled()
    expect(runner.holds).toBe(1)
    expect(agent.puts.map(({ base }) => base)).toEqual([null, 0, null])
    expect(agent.dump()).toEqual({ 1: 'a' })
  })

  test('nothing is asked of the agent while nothing changes', async () => {
    start()
    await settled()
    await clock.pass(3_600_000)
    expect(agent.puts).toHaveLength(1)
    expect(clock.waits()).toEqual([])
  })
})

describe('a refused change', () => {
  beforeEach(() => agent.refuseWith(refusal))

  test('is tried again, at first soon, then every five seconds, and always whole', async () => {
    commit(opening('a', 2000))
    const runner = start()
    await settled()
    const pauses: number[] = []
    for (let round = 0; round < 8; round += 1) {
      const [wait = 0] = clock.waits()
      pauses.push(wait)
      await clock.pass(wait)
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000])
    expect(agent.puts.every(({ base }) => base === null)).toBe(true)
    expect(runner.holds).toBeNull()
    expect(runner.problem).toBe(refusal)
  })

  test('is in the kernel when the kernel takes it again, and then the pauses are short again', async () => {
    commit(opening('a', 2000))
    const runner = start()
    await clock.pass(3000)
    agent.refuseWith(null)
    await clock.pass(5000)
    expect([runner.holds, runner.problem]).toEqual([1, null])
    agent.refuseWith(refusal)
    commit(opening('b', 2001))
    await settled()
    expect(clock.waits()).toEqual([100])
  })

  test('does not hold the next change back', async () => {
    commit(opening('a', 2000))
    const runner = start()
    await clock.pass(60_000)
    agent.refuseWith(null)
    commit(opening('b', 2001))
    await settled()
    expect(runner.holds).toBe(2)
    expect(agent.dump()).toEqual({ 1: 'a', 2: 'b' })
    await clock.pass(60_000)
    expect(clock.waits()).toEqual([])
  })
})

describe('the agent away', () => {
  test('is asked again and again, and told everything when it is back', async () => {
    commit(opening('a', 2000))
    const runner = start()
    await settled()
    agent.goAway()
    expect(runner.holds).toBeNull()
    await clock.pass(60_000)
    expect(runner.problem?.code).toBe('agent-away')
    commit(opening('b', 2001))
    agent.comeBack()
    await clock.pass(5000)
    expect([runner.holds, runner.problem]).toEqual([2, null])
    expect(agent.puts.at(-1)).toMatchObject({ base: null, generation: 2 })
    expect(agent.dump()).toEqual({ 1: 'a', 2: 'b' })
  })

  test('is put in step again although nothing changed', async () => {
    const runner = start()
    await settled()
    agent.goAway()
    agent.comeBack()
    await clock.pass(100)
    expect(runner.holds).toBe(0)
  })

  test('however often it goes, one timer waits for it', async () => {
    start()
    await settled()
    for (let round = 0; round < 5; round += 1) agent.goAway()
    expect(clock.waits()).toEqual([100])
  })
})

describe('who waits for a generation', () => {
  let runner: Runner

  beforeEach(async () => {
    runner = start()
    await settled()
  })

  test('is told when it is in the kernel, or a later one is', async () => {
    const reached = runner.reached(2, 1000)
    commit(opening('a', 2000))
    expect(await outcomeOf(reached)).toBe('waiting')
    commit(opening('b', 2001))
    expect(await outcomeOf(reached)).toBe('reached')
    expect(await outcomeOf(runner.reached(1, 1000))).toBe('reached')
    expect(clock.waits()).toEqual([])
  })

  test('is told at once why the kernel refused it', async () => {
    agent.refuseWith(refusal)
    commit(opening('a', 2000))
    await expect(runner.reached(1, 1000)).rejects.toBe(refusal)
  })

  test('waits for an agent that is away, and is told in the end that it is', async () => {
    agent.goAway()
    commit(opening('a', 2000))
    const reached = runner.reached(1, 30_000)
    await clock.pass(29_000)
    expect(await outcomeOf(reached)).toBe('waiting')
    const rejected = expect(reached).rejects.toMatchObject({
      code: 'not-in-step',
      status: 504,
      message: /does not answer/,
    })
    await clock.pass(1000)
    await rejected
  })

  test('waits for an agent that is away, and is told when it came back', async () => {
    agent.goAway()
    commit(opening('a', 2000))
    const reached = runner.reached(1, 30_000)
    await clock.pass(10_000)
    agent.comeBack()
    await clock.pass(5000)
    expect(await outcomeOf(reached)).toBe('reached')
  })
})

test('stopped, it does nothing any more', async () => {
  agent.refuseWith(refusal)
  const runner = start()
  await settled()
  runner.stop()
  expect(clock.waits()).toEqual([])
  commit(opening('a', 2000))
  agent.goAway()
  await clock.pass(60_000)
  expect(agent.puts).toHaveLength(1)
})

/** An agent that watches the kernel while others write to it, or while it cannot be read. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Agent } from '../../src/agent/agent.ts'
import { type Door, openDoor } from '../../src/kernel/door.ts'
import { putOf } from '../reconcile/agent.ts'
import { machineOf } from './machine.ts'
import { enterNewNetwork, run } from './network.ts'

const web = 'tcp/8443 -> 10.0.0.5:443'
const directory = mkdtempSync(join(tmpdir(), 'drawbridge-guarded-'))
let door: Door

beforeAll(async () => {
  enterNewNetwork()
  door = await openDoor()
})

afterAll(async () => {
  await door.close()
  rmSync(directory, { recursive: true })
})

describe('guarded', () => {
  /** Calls that must not overlap, one after the other, as the agent's process makes them. */
  function turns() {
    let last: Promise<unknown> = Promise.resolve()
    return <T>(work: () => Promise<T>): Promise<T> => {
      const result = last.then(work)
      last = result.catch(() => {})
      return result
    }
  }

  test('what another program does while a change is under way is repaired after it', async () => {
    let disturb = () => {}
    const disturbed: Door = {
      ...door,
      // Reading the connections is what a change does last, and with many of them it takes its time.
      flows: async (mark) => {
        disturb()
        await sleep(300)
        return door.flows(mark)
      },
    }
    const agent = new Agent(machineOf(disturbed, directory))
    const inTurn = turns()
    await agent.guard(inTurn, { repaired: () => {}, refused: () => {}, turned: () => {} })
    await inTurn(() => agent.answer({ ...putOf(1, null, { 1: web }), meant: true }))
    const fingerprint = await door.fingerprint()
    disturb = () => {
      disturb = () => {}
      run('nft', 'delete table inet drawbridge')
    }
    await inTurn(() => agent.answer(putOf(2, 1, { 1: 'tcp/8443 -> 10.0.0.6:443' })))
    await expect.poll(() => door.fingerprint(), { timeout: 5000 }).toBe(fingerprint)
    await inTurn(() => agent.answer({ verb: 'clear' }))
  })

  test('a repair that is undone while it is made is made again at once, and nobody is told that it was refused', async () => {
    let undo = 0
    const undone: Door = {
      ...door,
      write: async (difference) => {
        if (undo > 0) run('nft', 'delete table inet drawbridge')
        undo -= 1
        return door.write(difference)
      },
    }
    const agent = new Agent(machineOf(undone, directory))
    const inTurn = turns()
    const refused: string[] = []
    await agent.guard(inTurn, {
      repaired: () => {},
      refused: (words) => void refused.push(words),
      turned: () => {},
    })
    await inTurn(() => agent.answer({ ...putOf(1, null, { 1: web }), meant: true }))
    const fingerprint = await door.fingerprint()
    undo = 3
    run('nft', 'delete table inet drawbridge')
    await expect.poll(() => undo, { timeout: 5000 }).toBeLessThan(0)
    await expect.poll(() => door.fingerprint(), { timeout: 5000 }).toBe(fingerprint)
    await expect
      .poll(() => door.read(['openings']))
      .toEqual(new Map([['openings', new Map([['ipv4 . tcp . 8443', '0:1']])]]))
    expect(refused).toEqual([])
    await inTurn(() => agent.answer({ verb: 'clear' }))
  })
})

test('a change is in force, and answered so, though nobody can tell what other programs filter', async () => {
  const blind: Door = {
    ...door,
    foreignChains: () => Promise.reject(new Error('reading chains: interrupted')),
  }
  const agent = new Agent(machineOf(blind, directory))
  const answer = await agent.answer({ ...putOf(1, null, { 1: web }), meant: true })
  expect(answer).toMatchObject({ outcome: 'written' })
  await agent.answer({ verb: 'clear' })
})

/** The history, however large the changes were. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { GatewayReader } from '../../src/api/reading.ts'
import { parseForward } from '../../src/model/forward.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { memoryAgent } from '../reconcile/agent.ts'
import { noNames } from '../reconcile/names/none.ts'
import { careful, change, closing, origin } from '../store/changes.ts'

const many = (to: string) =>
  change({
    put: Array.from({ length: 30 }, (_, index) =>
      parseForward({ name: `f${index}`, listen: `tcp/${2000 + index}`, to }),
    ),
  })

test('the newest first, acts left out, of each change its first lines and how many more', async () => {
  const store = openMemoryStore()
  store.commit(many('10.0.0.5'), origin, careful)
  store.record({ ...origin, command: 'rotate' })
  store.commit(many('10.0.0.6'), origin, careful)
  store.commit(closing('f7'), origin, careful)
  const reader = new GatewayReader({ store, agent: memoryAgent(), names: noNames })

  const history = await reader.history(0, 50)
  expect(history.map(({ generation, lines, more }) => [generation, lines.length, more])).toEqual([
    [3, 1, 0],
    [2, 20, 10],
    [1, 20, 10],
  ])
  expect(history[1]?.lines[0]).toMatchObject({
    verb: 'change',
    name: 'f0',
    sentence: expect.stringContaining('10.0.0.6'),
    before: expect.stringContaining('10.0.0.5'),
  })
  expect((await reader.history(1, 1)).map(({ generation }) => generation)).toEqual([3])
  expect((await reader.history(2, 50)).map(({ generation }) => generation)).toEqual([3])
})

test('of a change that is read, others have had their turn before the next one', async () => {
  const store = openMemoryStore()
  for (let last = 1; last < 10; last += 1) store.commit(many(`10.0.0.${last}`), origin, careful)
  const reader = new GatewayReader({ store, agent: memoryAgent(), names: noNames })
  let done = false
  let turns = 0
  const reading = reader.history(0, 50).then(() => {
    done = true
  })
  while (!done) {
    await turn()
    turns += 1
  }
  await reading
  expect(turns).toBeGreaterThanOrEqual(9)
})

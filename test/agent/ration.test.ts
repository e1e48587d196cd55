/** How much somebody may ask for who may be hostile. */
import { expect, test } from 'vitest'
import { Ration } from '../../src/agent/ration.ts'

test('some at once, then as many as time brings, and never more at once than at the beginning', () => {
  let now = 0
  const ration = new Ration(3, 2, () => now)
  const taken = (times: number) => Array.from({ length: times }, () => ration.take()).filter(Boolean).length
  expect(taken(10)).toBe(3)
  now += 499
  expect(taken(10)).toBe(0)
  now += 1
  expect(taken(10)).toBe(1)
  now += 1000
  expect(taken(10)).toBe(2)
  now += 3_600_000
  expect(taken(10)).toBe(3)
})

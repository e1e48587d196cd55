/** Conflicts that appear while nobody asks are told, each once, and so is their end. */
import { expect, test } from 'vitest'
import { watchConflicts } from '../../src/api/watching.ts'
import { handClock } from '../reconcile/clock.ts'

const minute = 60_000

test('a conflict is told when it is first seen and when it is over; nothing is told while nothing changes', async () => {
  const clock = handClock('2026-11-24T12:00:00Z')
  const told: string[] = []
  let now: readonly string[] = ['a']
  const stop = watchConflicts(
    async () => now,
    clock,
    (sentence, there) => told.push(`${there ? '+' : '-'}${sentence}`),
  )
  expect(told).toEqual([])
  await clock.pass(minute)
  expect(told.splice(0)).toEqual(['+a'])
  await clock.pass(5 * minute)
  expect(told).toEqual([])
  now = ['b', 'a']
  await clock.pass(minute)
  expect(told.splice(0)).toEqual(['+b'])
  now = ['b']
  await clock.pass(minute)
  expect(told.splice(0)).toEqual(['-a'])
  stop()
  now = []
  await clock.pass(5 * minute)
  expect(told).toEqual([])
})

test('a look that fails, or that the agent does not answer, tells nothing, and the next one goes on from what was known', async () => {
  const clock = handClock('2026-11-24T12:00:00Z')
  const told: string[] = []
  let answer = async (): Promise<readonly string[] | undefined> => ['a']
  const stop = watchConflicts(
    () => answer(),
    clock,
    (sentence, there) => told.push(`${there}${sentence}`),
  )
  await clock.pass(minute)
  answer = () => Promise.reject(new Error('away'))
  await clock.pass(minute)
  answer = async () => undefined
  await clock.pass(minute)
  answer = async () => ['a', 'b']
  await clock.pass(minute)
  expect(told).toEqual(['truea', 'trueb'])
  stop()
})

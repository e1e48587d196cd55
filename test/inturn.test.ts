import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { oneAfterTheOther } from '../src/inturn.ts'

test('a work begins when the one before it has ended, also when that has failed', async () => {
  const said: string[] = []
  const inTurn = oneAfterTheOther()
  const work = (name: string, fails: boolean) => async () => {
    said.push(`${name} begins`)
    await sleep(5)
    said.push(`${name} ends`)
    if (fails) throw new Error(name)
    return name
  }
  const [first, second] = [inTurn(work('first', true)), inTurn(work('second', false))]
  await expect(first).rejects.toThrow('first')
  expect(await second).toBe('second')
  expect(said).toEqual(['first begins', 'first ends', 'second begins', 'second ends'])
})

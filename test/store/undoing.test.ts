/** What was changed can be undone: from the records of any changes the way leads back to before them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { asKept, changeTo } from '../../src/model/register.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { byItself, undoing, withoutExpired } from '../../src/store/record.ts'
import type { Store } from '../../src/store/store.ts'
import { gateways, holds } from '../model/arbitrary.ts'
import { change, closing, opening, origin } from './changes.ts'

const held = ({ register: { forwards, lists, settings } }: Store) => ({
  forwards: new Map(forwards),
  lists: new Map(lists),
  settings,
})

test('after any gateways, one after the other, back to each of them', () => {
  holds(
    fc.tuple(fc.array(fc.tuple(gateways, fc.boolean()), { minLength: 1, maxLength: 5 }), fc.nat({ max: 5 })),
    ([wanted, step]) => {
      const store = openMemoryStore()
      const seen = [held(store)]
      for (const [gateway, prune] of wanted) {
        try {
          store.commit(changeTo(store.register, gateway, prune), origin, asKept)
          seen.push(held(store))
        } catch (error) {
          if (!(error instanceof Problem)) throw error
        }
      }
      const back = Math.min(step, store.generation)
      store.commit(undoing(store.history(back, 100)), { ...origin, command: 'rollback' }, asKept)
      expect(held(store)).toEqual(seen[back])
    },
    100,
  )
})

test('of nothing is nothing', () => {
  expect(undoing([])).toEqual(change({}))
})

test('what has expired meanwhile does not come back', () => {
  const store = openMemoryStore()
  store.commit(opening('short', 2000, { expires: '2027-02-01T00:00:00Z' }), origin, asKept)
  store.commit(opening('long', 2001, { expires: '2027-03-01T00:00:00Z' }), origin, asKept)
  store.commit(closing('short', 'long'), origin, asKept)
  const { put, remove } = withoutExpired(undoing(store.history(2, 1)), '2027-02-01T00:00:00Z')
  expect(put.map(({ name }) => name)).toEqual(['long'])
  expect(remove).toEqual(['short'])
})

test('what was closed because its time was over does not come back, though the clock was set back since', () => {
  const store = openMemoryStore()
  const expires = '2027-02-01T00:00:00Z'
  store.commit(opening('short', 2000, { expires }), origin, asKept)
  store.commit(opening('closed-by-hand', 2001, { expires }), origin, asKept)
  store.commit(closing('closed-by-hand'), origin, asKept)
  store.commit(closing('short'), byItself('expiry', expires), asKept)
  const { put } = withoutExpired(undoing(store.history(2, 10)), '2027-01-01T00:00:00Z')
  expect(put.map(({ name }) => name)).toEqual(['closed-by-hand'])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { counted, plain, spanWords } from '../../src/cli/text.ts'

test('nothing that a terminal would obey gets through', () => {
  expect(plain('a\u001b[31mb\u009bc\u202ed\ne\u2028')).toBe('a\\u001b[31mb\\u009bc\\u202ed\\u000ae\\u2028')
  const points = fc.array(fc.integer({ min: 0, max: 0x10ffff }))
  fc.assert(
    fc.property(points, (text) => {
      expect(plain(String.fromCodePoint(...text))).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    }),
  )
})

test('ordinary text stays as it is', () => {
  expect(plain('für die Nachtschicht — “ok” 👍')).toBe('für die Nachtschicht — “ok” 👍')
})

test.each([
  [0, '0s'],
  [45_000, '45s'],
  [7_140_000, '1h 59m'],
  [3_600_000, '1h'],
  [90_000_000, '1d 1h'],
  [86_400_000 * 66, '9w 3d'],
  [-5, '0s'],
])('%d ms is %s', (milliseconds, words) => {
  expect(spanWords(milliseconds)).toBe(words)
})

test('one is not two', () => {
  expect(counted(1, 'forward')).toBe('1 forward')
  expect(counted(0, 'forward')).toBe('0 forwards')
})

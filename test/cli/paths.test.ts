import { expect, test } from 'vitest'
import { socketOf, stateDirectory } from '../../src/cli/paths.ts'

test('the flag comes before the environment, and that before the default', () => {
  expect(stateDirectory('/srv/a/', { DRAWBRIDGE_STATE: '/srv/b' })).toBe('/srv/a')
  expect(stateDirectory(undefined, { DRAWBRIDGE_STATE: '/srv/b' })).toBe('/srv/b')
  expect(stateDirectory(undefined, {})).toBe('/var/lib/drawbridge')
  expect(stateDirectory('here', {})).toBe(`${process.cwd()}/here`)
})

test('an empty one is refused: "$UNSET" must not mean the default', () => {
  expect(() => stateDirectory('', {})).toThrow('--state is empty')
  expect(() => stateDirectory(undefined, { DRAWBRIDGE_STATE: '' })).toThrow('DRAWBRIDGE_STATE is empty')
})

test.each([
  ['/var/lib/drawbridge', '/run/drawbridge/api/api.sock'],
  ['/srv/drawbridge', '/srv/drawbridge/run/api/api.sock'],
])('the socket of %s', (state, socket) => {
  expect(socketOf(state)).toBe(socket)
})

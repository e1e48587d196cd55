/** Small changes for the tests of stores. */
import { parseForward } from '../../src/model/forward.ts'
import { type Change, noChange } from '../../src/model/register.ts'
import type { Origin } from '../../src/store/store.ts'

export const origin: Origin = {
  actor: 'ada',
  uid: 1000,
  address: '198.51.100.7',
  how: 'cli',
  command: 'open',
  at: '2027-01-31T00:00:00.000Z',
  note: 'a test',
}

export const careful = { privileged: false, ours: new Set<string>() }

export const change = (parts: Partial<Change>): Change => ({ ...noChange, ...parts })

/** Puts the forward of this name at this port. */
export function opening(name: string, port: number, more: object = {}): Change {
  return change({ put: [parseForward({ name, listen: `tcp/${port}`, to: '10.0.0.5', ...more })] })
}

export const closing = (...names: string[]): Change => change({ remove: names })

import { expect, test } from 'vitest'
import { exitCodeOf } from '../../src/cli/exit.ts'
import { catalogue } from '../../src/model/catalogue.ts'
import { Problem } from '../../src/model/problem.ts'

/** Every code of the catalogue that is not the operator's bad input. */
const failures = [
  'agent-away',
  'agent-running',
  'already-running',
  'archive-unreadable',
  'archived-generation',
  'audit-broken',
  'audit-forked',
  'boot-file',
  'confirmation-required',
  'controller-away',
  'crowdsec-key',
  'fought-over',
  'kernel-differs',
  'kernel-refused',
  'no-last-good',
  'no-such-forward',
  'no-such-generation',
  'no-such-route',
  'no-such-target',
  'not-in-step',
  'nothing-to-confirm',
  'old-connection',
  'old-session',
  'repair-refused',
  'stale-generation',
  'state-held',
  'state-unusable',
  'still-draining',
  'still-open',
  'still-unconfirmed',
  'store-behind',
  'store-busy',
  'store-unusable',
  'store-unwritable',
  'trace-no-opening',
  'trace-rate',
  'trace-unable',
  'unconfirmed',
  'went-wrong',
]

test('bad input exits 2, and everything that was refused or failed exits 1', () => {
  const exits = Object.entries(catalogue).map(([code, { status }]) => {
    const problem = Problem.from({ code, status, title: '', remedy: '' })
    return [code, exitCodeOf(problem)] as const
  })
  expect(
    exits
      .filter(([, exit]) => exit === 1)
      .map(([code]) => code)
      .sort(),
  ).toEqual(failures)
  expect(exits.filter(([, exit]) => exit === 2).map(([code]) => code)).toEqual(
    expect.arrayContaining([
      'bad-listen',
      'listen-taken',
      'name-taken',
      'not-shared',
      'privileged-port',
      'unknown-list',
    ]),
  )
})

test('422 counts as bad input too', () => {
  expect(exitCodeOf(Problem.from({ code: 'new-one', status: 422, title: '', remedy: '' }))).toBe(2)
})

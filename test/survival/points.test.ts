/**
 * kill -9 at each named point of a change (src/faults.ts), for each kind of change: the kernel holds the old state or the
 * new one, store and kernel agree after the restart, what was acknowledged is there, what was closed stays closed, nobody's
 * connection is cut, and the next boot gets the old state or the new one.
 */
import { expect, test } from 'vitest'
import { type FaultPoint, faultPoints } from '../../src/faults.ts'
import { amount, randomly, seed } from '../amount.ts'
import { crashIn, tell } from './crash.ts'
import { type KindName, kindNames } from './kinds.ts'
import { startScene } from './scene.ts'

const points = [...faultPoints.controller, ...faultPoints.agent]

/** A kind of change that is sure to pass the point. */
function kindFor(point: FaultPoint): KindName {
  if (point.startsWith('confirm')) return 'confirm'
  if (point.startsWith('revert')) return 'revert'
  if (point.startsWith('expiry')) return 'expiry'
  if (/^(boot-app|boot-torn)/.test(point)) return 'retarget'
  return /^(skeleton|boot|file)/.test(point) ? 'open with sources and a limit of its own' : 'apply'
}

/** Every pair that may meet; those of the long run that do not meet are told at its end. */
const pairs = points.flatMap((point) => kindNames.map((kind) => ({ point, kind })))

test(`crashes at named points, seed ${seed}`, { timeout: amount(120_000, 3_600_000) }, async (t) => {
  const random = randomly()
  const { lab, drawbridge, pointTrap } = await startScene(t)
  const sample = points.toSorted(() => random(3) - 1).slice(0, amount(8, points.length))
  const sure = sample.map((point) => ({ point, kind: kindFor(point) }))
  const more = pairs.filter(({ point, kind }) => kind !== kindFor(point)).slice(0, amount(0, pairs.length))
  const times: number[] = []
  for (const [index, { point, kind }] of [...sure, ...more].entries()) {
    const restart = index % 3 === 2 ? 'all' : 'one'
    const crashed = await crashIn(lab, drawbridge, kind, pointTrap(point), restart)
    if (crashed) times.push(crashed.agreedIn)
    else if (kind === kindFor(point)) throw new Error(`${kind} does not pass ${point}`)
  }
  expect(await drawbridge.api.verify()).toMatchObject({ broken: null })
  tell(times)
})

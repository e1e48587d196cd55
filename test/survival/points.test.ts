/**
 * kill -9 at each named point of a change (src/faults.ts), for each kind of change: the kernel holds the old state or the
 * new one, store and kernel agree after the restart, what was acknowledged is there, what was closed stays closed, nobody's
 * connection is cut, and the next boot gets the old state or the new one.
 */
import { expect, test } from 'vitest'
import { auditPages, verifyLog } from '../../src/cli/auditing.ts'
import { type FaultPoint, faultPoints } from '../../src/faults.ts'
import { amount, randomly, seed } from '../amount.ts'
import { crashIn, restarts, tell } from './crash.ts'
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

/** What comes with time is asked by nobody, and only one kind of change is confirmed, undone or over. */
function mayPass(kind: KindName, point: FaultPoint): boolean {
  const [what = ''] = point.split('-')
  if (['confirm', 'revert', 'expiry'].includes(what)) return kind === what
  return what !== 'change' || !['confirm', 'revert', 'expiry'].includes(kind)
}

/** These a change may pass twice: before its elements and after, and for more than one file. */
const passedTwice = /^(skeleton|file)/

const pairs = points.flatMap((point) => {
  const times = passedTwice.test(point) ? [1, 2] : [1]
  return kindNames
    .filter((kind) => mayPass(kind, point))
    .flatMap((kind) => times.map((nth) => ({ point, kind, times: nth })))
})

test(`crashes at named points, seed ${seed}`, { timeout: amount(120_000, 3_600_000) }, async (t) => {
  const random = randomly()
  const { lab, drawbridge, pointTrap } = await startScene(t)
  const drawn = <T>(from: readonly T[], most: number): T[] =>
    from
      .map((one) => ({ one, lot: random(1_000_000) }))
      .sort((a, b) => a.lot - b.lot)
      .slice(0, most)
      .map(({ one }) => one)
  const sample = drawn(points, amount(6, points.length))
  const sure = sample.map((point) => ({ point, kind: kindFor(point), times: 1 }))
  const more = drawn(pairs, amount(0, 150))
  const times: number[] = []
  for (const [index, { point, kind, times: nth }] of [...sure, ...more].entries()) {
    const restart = restarts[index % restarts.length] ?? 'one'
    const crashed = await crashIn(lab, drawbridge, kind, pointTrap(point, nth), restart)
    if (crashed) times.push(crashed.agreedIn)
    else if (kind === kindFor(point) && nth === 1) throw new Error(`${kind} does not pass ${point}`)
  }
  expect(await verifyLog(auditPages(drawbridge.api, { after: 0 }), drawbridge.state)).toMatchObject({
    missing: [],
  })
  tell(times)
})

/** Which endpoints of forwards are checked, and what is told of them, by a clock of the test. */
import { expect, test } from 'vitest'
import type { Clock, Subject } from '../../src/agent/health/checking.ts'
import type { Course } from '../../src/agent/health/course.ts'
import { Watching } from '../../src/agent/health/watching.ts'
import { Holding } from '../../src/agent/holding.ts'
import { alive, dead } from '../../src/model/condition.ts'
import type { ForwardDocument } from '../../src/model/document.ts'
import { putOf } from '../reconcile/agent.ts'

/** Everything that is to be done later is done when the test says so, at once. */
function scene(remembered: ReadonlyMap<string, Course> = new Map()) {
  const jobs = new Set<() => void>()
  const asked: string[] = []
  const dying = new Set<string>()
  const kept: string[][] = []
  const clock: Clock = {
    now: () => 0,
    instant: () => '2026-11-24T00:00:00Z',
    chance: () => 0,
    after: (_, work) => {
      jobs.add(work)
      return () => void jobs.delete(work)
    },
  }
  const check = async ({ address, port }: Subject) => {
    asked.push(`${address}:${port}`)
    return dying.has(address) ? dead('refused') : alive
  }
  const watching = new Watching(check, clock, {
    read: () => remembered,
    keep: (down) => void kept.push([...down.keys()]),
    forget: () => void kept.push([]),
  })
  const holding = new Holding()
  watching.guard(
    async (news) => void holding.learn(news),
    () => {},
  )
  return {
    watching,
    holding,
    asked,
    dying,
    kept,
    holds: (forwards: Record<number, ForwardDocument>) => {
      holding.take(putOf(1, null, forwards))
      return holding.learn(watching.followAll(holding))
    },
    /** Each is checked once. */
    round: async () => {
      asked.length = 0
      const due = [...jobs]
      jobs.clear()
      for (const work of due) work()
      for (let turns = 0; turns < 30; turns += 1) await Promise.resolve()
      return [...asked].sort()
    },
  }
}

const web = (to: string[], own: Partial<ForwardDocument> = {}): ForwardDocument => ({
  name: 'web',
  listen: 'tcp/8080',
  to,
  health: { check: 'tcp', fall: 1 },
  ...own,
})
const mail: ForwardDocument = { ...web(['10.0.0.5:80']), name: 'mail', listen: 'tcp/8081' }

test('what two forwards share is checked once, as long as one of them wants it, and told of both', async () => {
  const { holds, round, dying, holding, watching } = scene()
  holds({ 1: web(['10.0.0.5:80', '10.0.0.6:80']), 2: mail })
  expect(await round()).toEqual(['10.0.0.5:80', '10.0.0.6:80'])
  dying.add('10.0.0.5')
  await round()
  expect(holding.known.down).toEqual(
    new Map([
      ['web', new Set(['10.0.0.5:80'])],
      ['mail', new Set(['10.0.0.5:80'])],
    ]),
  )
  expect(watching.summary()).toMatchObject({ checked: 3, down: 2, downIn: { web: 1, mail: 1 } })
  holding.step({ ...putOf(2, 1, {}), removed: ['web'] })
  watching.follow(holding, [{ name: 'web' }])
  expect(await round()).toEqual(['10.0.0.5:80'])
  holding.step({ ...putOf(3, 2, {}), removed: ['mail'] })
  watching.follow(holding, [{ name: 'mail' }])
  expect(await round()).toEqual([])
})

test('another port, or none of the forward, is asked where that is said; who is switched off is not', async () => {
  const { holds, round } = scene()
  holds({
    1: web(['10.0.0.5:80'], { health: { check: 'tcp', port: 9000 } }),
    2: { ...mail, listen: 'tcp+udp/9000-9009', to: '10.0.0.6:7000' },
    3: { ...mail, name: 'off', listen: 'tcp/8082', to: '10.0.0.7:80', enabled: false },
  })
  expect(await round()).toEqual(['10.0.0.5:9000', '10.0.0.6:7000'])
})

test('a target that another agent found down is out from the first moment, and back when it is good', async () => {
  const first = scene()
  first.holds({ 1: web(['10.0.0.5:80', '10.0.0.6:80']) })
  first.dying.add('10.0.0.5')
  await first.round()
  const key = first.kept.at(-1)?.[0] ?? ''
  const course = {
    state: 'down',
    since: 'then',
    trouble: 'x',
    warning: '',
    flapping: false,
    against: 0,
    steady: 0,
    flaps: 0,
  }
  const { holds, round, holding } = scene(new Map([[key, course as Course]]))
  holds({ 1: web(['10.0.0.5:80', '10.0.0.6:80']) })
  expect(holding.known.down.get('web')).toEqual(new Set(['10.0.0.5:80']))
  await round()
  expect(holding.known.down.get('web')).toEqual(new Set(['10.0.0.5:80']))
  await round()
  expect(holding.known.down.size).toBe(0)
})

test('a forward that is not checked any more has no dead targets', async () => {
  const { holds, round, dying, holding } = scene()
  dying.add('10.0.0.5')
  holds({ 1: web(['10.0.0.5:80', '10.0.0.6:80']) })
  await round()
  expect(holding.known.down.size).toBe(1)
  const { health: _, ...unchecked } = web(['10.0.0.5:80', '10.0.0.6:80'])
  holds({ 1: unchecked })
  expect(holding.known.down.size).toBe(0)
  expect(await round()).toEqual([])
})

test('who asks again is told what is new, and who knows another agent is told everything', async () => {
  const { holds, round, dying, watching } = scene()
  holds({ 1: web(['10.0.0.5:80', '10.0.0.6:80']) })
  await round()
  expect(watching.turnsAfter('', 0).turns).toEqual([])
  dying.add('10.0.0.5')
  await round()
  const { epoch, last, turns } = watching.turnsAfter('', 0)
  expect(turns.map(({ endpoint, state }) => [endpoint, state])).toEqual([['10.0.0.5:80', 'down']])
  expect(watching.turnsAfter(epoch, last).turns).toEqual([])
  dying.delete('10.0.0.5')
  await round()
  await round()
  expect(watching.turnsAfter(epoch, last).turns.map(({ state }) => state)).toEqual(['up'])
  expect(watching.turnsAfter('another', 7).turns.length).toBe(2)
})

test('what is forgotten is no longer down for whoever gets the name next', async () => {
  const { holds, round, dying, holding, watching } = scene()
  holds({ 1: web(['10.0.0.5:80', '10.0.0.6:80']) })
  dying.add('10.0.0.5')
  await round()
  expect([...holding.known.down.keys()]).toEqual(['web'])
  holding.take({ ...putOf(2, 1, {}), removed: ['web'] })
  watching.forget(holding)
  expect([...holding.known.down.keys()]).toEqual([])
  expect(await round()).toEqual([])
})

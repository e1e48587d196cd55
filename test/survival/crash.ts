/** One crash in the middle of one change, and everything that must be true after it. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Drawbridge } from '../lab/drawbridge.ts'
import type { Lab } from '../lab/lab.ts'
import { type Answers, openingsIn, probe, restored, ruleset, stored } from './gateway.ts'
import { base, type Kind, type KindName, kinds } from './kinds.ts'
import { witnesses } from './witnesses.ts'

/** A death that waits in one of the processes. */
export interface Trap {
  readonly part: 'agent' | 'controller'
  /** How the failure is told. */
  readonly where: string
  /** Lays it; gives what takes it away again when nothing has died. */
  lay(): Promise<() => Promise<void>>
}

interface Crashed {
  /** Milliseconds from the first answer of the restarted processes to the kernel and the store being in step. */
  readonly agreedIn: number
}

/**
 * How they come back: the process that died by `up`; the same, with the trap laid once more on its way; or everything anew,
 * as after a loss of power.
 */
export const restarts = ['one', 'twice', 'all'] as const
export type Restart = (typeof restarts)[number]

/** Makes the change with the trap laid. Gives undefined when the change came to its end without meeting it. */
export async function crashIn(
  lab: Lab,
  drawbridge: Drawbridge,
  name: KindName,
  trap: Trap,
  restart: Restart,
): Promise<Crashed | undefined> {
  const { api, state } = drawbridge
  const kind: Kind = kinds[name]
  const told = <T>(what: T) => [name, trap.where, restart, what]
  await settle(api)
  await kind.prepare?.(api)
  const [bootBefore, held] = [await restored(state), await witnesses(lab, kind)]

  const victim = drawbridge.pid(trap.part)
  const takeAway = await trap.lay()
  const up = drawbridge.pid('up')
  const signal = (one: NodeJS.Signals) => void (up && process.kill(up, one))
  signal('SIGSTOP')
  const outcome: { acknowledged?: boolean } = {}
  const acting = kind.act(api).then(
    () => Object.assign(outcome, { acknowledged: true }),
    () => Object.assign(outcome, { acknowledged: false }),
  )
  const died = await diesBefore(victim, outcome)
  await takeAway()
  if (!died) {
    signal('SIGCONT')
    await acting
    await held.end()
    return undefined
  }

  const atCrash = await probe(lab)
  expect.soft([told(kind.before), told(kind.after)]).toContainEqual(told(atCrash))
  const bootAtCrash = await restored(state)

  const takeAwayAgain = restart === 'twice' ? await trap.lay() : async () => {}
  const agreedIn = await comeBack(drawbridge, restart, () => signal('SIGCONT'))
  await takeAwayAgain()
  await acting
  const reached = !same(kind.before, kind.after) && same(atCrash, kind.after)
  const must = outcome.acknowledged || reached || kind.byItself ? kind.after : undefined
  const now = await probe(lab)
  expect.soft(told(now)).toEqual(told(must ?? (await stored(api))))
  expect.soft(told(await stored(api))).toEqual(told(now))
  expect.soft([told(kind.before), told(kind.after)]).toContainEqual(told(now))

  const { pending } = await api.status(0)
  const bootNow = await restored(state)
  const seen = name === 'expiry' ? openingsIn : (listing: string) => listing
  if (bootAtCrash !== bootBefore) expect.soft(told(seen(bootAtCrash))).toEqual(told(seen(bootNow)))
  expect.soft(told(bootNow)).toEqual(told(pending ? bootBefore : await ruleset(lab)))
  if (name === 'confirm' && outcome.acknowledged) expect.soft(told(pending)).toEqual(told(null))
  for (const { expected, ...found } of await held.end()) expect.soft(told(found)).toEqual(told(expected))
  return { agreedIn }
}

async function settle(api: Drawbridge['api']): Promise<void> {
  const { pending, locked } = await api.status(10)
  if (pending) await api.confirm()
  if (locked) await api.lockdown({ lift: true })
  await api.apply({ gateway: base, prune: true })
}

/** Whether the process dies; it has a moment for it after the change was answered. */
async function diesBefore(pid: number | undefined, outcome: { acknowledged?: boolean }): Promise<boolean> {
  for (let left = 60; left > 0; ) {
    if (isDead(pid)) return true
    if (outcome.acknowledged !== undefined) left -= outcome.acknowledged ? 4 : 1
    await sleep(10)
  }
  return false
}

/** Nobody has taken note of it yet, as `up` is stopped: a zombie. */
function isDead(pid: number | undefined): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

/** Has them started again; gives how long it took from when both answered until they were in step. */
async function comeBack(drawbridge: Drawbridge, restart: Restart, goOn: () => void): Promise<number> {
  if (restart === 'all') {
    await drawbridge.kill9()
    const [agreedIn] = await Promise.all([agreement(drawbridge), drawbridge.start()])
    return agreedIn
  }
  goOn()
  return agreement(drawbridge)
}

async function agreement({ api, output }: Drawbridge): Promise<number> {
  let answered: number | undefined
  for (let waited = 0; waited < 30_000; waited += 10) {
    const status = await api.status(0).catch(() => undefined)
    // Anew after another death on the way.
    answered = status?.agent === 'up' ? (answered ?? performance.now()) : undefined
    if (answered !== undefined && status?.ready) return Math.round(performance.now() - answered)
    await sleep(10)
  }
  throw new Error(`not in step within 30 s after a crash; it printed:\n${output()}`)
}

function same(a: Answers, b: Answers): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/**
 * Says how many crashes there were and how soon store and kernel agreed after each. A second is promised; the bound here
 * leaves room for a machine that others use.
 */
export function tell(times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b)
  const [median, most] = [sorted[sorted.length >> 1], sorted.at(-1)]
  expect(most).toBeLessThan(3000)
  console.log(`${times.length} crashes; in step after median ${median} ms, at most ${most} ms`)
}

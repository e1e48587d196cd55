/** Random sequences of changes, crashes, restarts and other programs' nft: after each step exactly those ports answer that should. */

import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Client } from '../../src/api/client.ts'
import { auditPages, verifyLog } from '../../src/cli/auditing.ts'
import { amount, seed } from '../amount.ts'
import type { Drawbridge } from '../lab/drawbridge.ts'
import type { Lab } from '../lab/lab.ts'
import { probe } from './gateway.ts'
import {
  after,
  answersOf,
  type Change,
  documentOf,
  type Model,
  nameOf,
  nothing,
  type Part,
  type Step,
  step,
} from './model.ts'
import { startScene } from './scene.ts'

interface World {
  readonly lab: Lab
  readonly drawbridge: Drawbridge
  /** What should be, now and in each generation of this sequence. */
  readonly past: Map<number, Model>
}

const runs = amount(2, 30)
const longest = amount(10, 25)

test(`${runs} random sequences, seed ${seed}`, { timeout: amount(120_000, 3_600_000) }, async (t) => {
  const { lab, drawbridge } = await startScene(t)
  const property = fc.asyncProperty(
    fc.array(step, { minLength: longest >> 1, maxLength: longest }),
    async (steps) => {
      const world = { lab, drawbridge, past: new Map<number, Model>() }
      let model = await begin(world)
      for (const [index, one] of steps.entries()) {
        model = await take(world, model, one)
        await expectAnswers(world, model, one, `step ${index + 1}: ${JSON.stringify(one)}`)
      }
    },
  )
  await fc.assert(property, { numRuns: runs, seed, endOnFailure: true })
  expect(await verifyLog(auditPages(drawbridge.api, { after: 0 }), drawbridge.state)).toMatchObject({
    missing: [],
  })
})

async function begin({ drawbridge: { api }, past }: World): Promise<Model> {
  await api.lockdown({ lift: true })
  const { generation } = await api.apply({ gateway: { version: 1, forwards: [] }, prune: true })
  past.set(generation, nothing)
  return nothing
}

/** Carries a step out; gives what should be then. */
async function take(world: World, model: Model, one: Step): Promise<Model> {
  const { lab, drawbridge } = world
  switch (one.kind) {
    case 'torn':
      return tear(world, model, one.change, one.part, one.after)
    case 'crash':
      await crash(drawbridge, one.part)
      return model
    case 'foreign':
      // What there is nothing of cannot be deleted.
      await lab.gateway.tries('nft', [one.nft])
      return model
    case 'restart':
      await drawbridge.restart()
      return model
    default:
      return make(world, model, one)
  }
}

async function make({ drawbridge: { api }, past }: World, model: Model, change: Change): Promise<Model> {
  const { generation } = await api.status(10)
  const next = after(model, change, past, generation)
  if (!next) {
    await expect(ask(api, change, past, generation), JSON.stringify(change)).rejects.toThrow()
    return model
  }
  const changed = await ask(api, change, past, generation)
  past.set(changed.generation, next)
  return next
}

/** A change cut off by a crash has come to pass or has not; when it was acknowledged, it has. */
async function tear(
  world: World,
  model: Model,
  change: Change,
  part: Part,
  milliseconds: number,
): Promise<Model> {
  const { drawbridge, past } = world
  const { generation } = await drawbridge.api.status(10)
  const next = after(model, change, past, generation)
  const asked = ask(drawbridge.api, change, past, generation).then(
    () => true,
    () => false,
  )
  await sleep(milliseconds)
  await crash(drawbridge, part)
  const acknowledged = await asked
  const now = (await drawbridge.api.status(10)).generation
  if (!next) {
    expect([acknowledged, now]).toEqual([false, generation])
    return model
  }
  const happened = acknowledged || now > generation
  if (happened) past.set(now, next)
  return happened ? next : model
}

/** A generation from before this sequence is none for the model, and asked for as one that no store has. */
function ask(api: Client, change: Change, past: World['past'], generation: number) {
  switch (change.kind) {
    case 'open':
      return api.open({ forward: documentOf(change.port, change.target) })
    case 'close':
      return api.close({ names: [nameOf(change.port)] })
    case 'enable':
      return api.enable({ names: [nameOf(change.port)] })
    case 'disable':
      return api.disable({ names: [nameOf(change.port)] })
    case 'apply': {
      const forwards = change.to.map(([one, to]) => documentOf(one, to))
      return api.apply({ gateway: { version: 1, forwards }, prune: change.prune })
    }
    case 'rollback': {
      const to = generation - change.back
      return api.rollback({ to: past.has(to) ? to : 1_000_000_000 })
    }
    case 'lockdown':
      return api.lockdown({ lift: false })
    case 'lift':
      return api.lockdown({ lift: true })
  }
}

async function crash(drawbridge: Drawbridge, part: Part): Promise<void> {
  await drawbridge.kill9(part)
  if (part === undefined) await drawbridge.start()
  await isReady(drawbridge)
}

const patience = { timeout: 20_000, interval: 20 }

async function isReady({ api }: Drawbridge): Promise<void> {
  await expect.poll(async () => (await api.status(5).catch(() => undefined))?.ready, patience).toBe(true)
}

/** At once, but for what another program did: as soon as it is repaired. */
async function expectAnswers({ lab }: World, model: Model, one: Step, told: string): Promise<void> {
  const wanted = { told, answers: answersOf(model) }
  const look = async () => ({ told, answers: await probe(lab) })
  if (one.kind === 'foreign') await expect.poll(look, patience).toEqual(wanted)
  else expect(await look()).toEqual(wanted)
}

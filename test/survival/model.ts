/** What should answer after each step of a random sequence: the whole of Drawbridge as a map from port to target. */
import fc from 'fast-check'
import type { ForwardDocument } from '../../src/model/document.ts'
import { type Answers, answering, ports } from './gateway.ts'

const targets = { server: '10.0.0.5:80', other: '10.0.0.6:80' } as const
type Target = keyof typeof targets

interface Held {
  readonly target: Target
  readonly on: boolean
}

export interface Model {
  readonly held: ReadonlyMap<number, Held>
  readonly locked: boolean
}

export const nothing: Model = { held: new Map(), locked: false }

/** What a step asks of the API. */
export type Change =
  | { readonly kind: 'open'; readonly port: number; readonly target: Target }
  | { readonly kind: 'close' | 'enable' | 'disable'; readonly port: number }
  | { readonly kind: 'apply'; readonly to: readonly (readonly [number, Target])[]; readonly prune: boolean }
  | { readonly kind: 'rollback'; readonly back: number }
  | { readonly kind: 'lockdown' | 'lift' }

export type Step =
  | Change
  /** A change with a kill -9 some milliseconds after it was asked for. */
  | { readonly kind: 'torn'; readonly change: Change; readonly part: Part; readonly after: number }
  | { readonly kind: 'crash'; readonly part: Part }
  | { readonly kind: 'foreign'; readonly nft: string }
  | { readonly kind: 'restart' }

export type Part = 'agent' | 'controller' | undefined

const port = fc.constantFrom(...ports)
const target = fc.constantFrom<Target>('server', 'other')
const part = fc.constantFrom<Part>('agent', 'controller', undefined)

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), port, target }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('close' as const, 'enable' as const, 'disable' as const),
      port,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('apply' as const),
      to: fc.uniqueArray(fc.tuple(port, target), { selector: ([one]) => one, maxLength: 4 }),
      prune: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('rollback' as const), back: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lockdown' as const, 'lift' as const) }) },
)

const foreign = fc.oneof(
  fc.constantFrom('flush ruleset', 'delete table inet drawbridge', 'flush map inet drawbridge openings'),
  port.map((one) => `delete element inet drawbridge openings { ipv4 . tcp . ${one} }`),
)

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: change },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('torn' as const),
      change,
      part,
      after: fc.integer({ min: 0, max: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), part }) },
  { weight: 2, arbitrary: foreign.map((nft) => ({ kind: 'foreign' as const, nft })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
)

/** What answers. */
export function answersOf({ held, locked }: Model): Answers {
  const open = [...held].filter(([, { on }]) => on && !locked)
  return answering(Object.fromEntries(open.map(([one, held]) => [one, held.target])))
}

/** The model after `change`; undefined when it is to be refused. `past` has the model of each generation. */
export function after(
  model: Model,
  change: Change,
  past: ReadonlyMap<number, Model>,
  generation: number,
): Model | undefined {
  const { held, locked } = model
  switch (change.kind) {
    case 'open': {
      const present = held.get(change.port)
      if (present && !(present.on && present.target === change.target)) return undefined
      return { held: new Map([...held, [change.port, { target: change.target, on: true }]]), locked }
    }
    case 'close':
      if (!held.has(change.port)) return undefined
      return { held: new Map([...held].filter(([one]) => one !== change.port)), locked }
    case 'enable':
    case 'disable': {
      const present = held.get(change.port)
      if (!present) return undefined
      return { held: new Map([...held, [change.port, { ...present, on: change.kind === 'enable' }]]), locked }
    }
    case 'apply': {
      const kept = change.prune ? [] : held
      return {
        held: new Map([...kept, ...change.to.map(([one, to]) => [one, { target: to, on: true }] as const)]),
        locked,
      }
    }
    case 'rollback': {
      const before = past.get(generation - change.back)
      return before && { held: before.held, locked }
    }
    case 'lockdown':
    case 'lift':
      return { held, locked: change.kind === 'lockdown' }
  }
}

export function nameOf(one: number): string {
  return `p${one}`
}

export function documentOf(one: number, to: Target): ForwardDocument {
  return { name: nameOf(one), listen: `tcp+udp/${one}`, to: targets[to] }
}

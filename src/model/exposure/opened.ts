/** What the firewalls of this machine do with services of it that are opened here, and would do without us. */
import type { Family } from '../address.ts'
import type { Allowance } from '../allowance.ts'
import type { Mark } from '../gateway.ts'
import { type Box, meetBox } from './box.ts'
import type { Machine } from './exposure.ts'
import { type Range, without } from './ranges.ts'
import type { Place } from './rules.ts'
import { rangeOfAddress } from './scene.ts'
import { type View, viewsOf } from './scenes.ts'
import { ruleWords } from './words.ts'

/** Nothing of a forward arrives in one family. */
export interface Barred {
  readonly forward: string
  readonly family: Family
  /** Which rule of whom, in words. */
  readonly rule: string
  readonly place: Place | null
}

const bits = { 4: 32, 6: 128 } as const

export interface OpenedQuestion {
  readonly machine: Machine
  readonly opened: readonly Allowance[]
  readonly mark: Mark
}

export interface OpenedReport {
  readonly barred: readonly Barred[]
  /** Forwards whose services anybody would reach without us. */
  readonly unguarded: readonly string[]
}

export function openedReportOf({ machine, opened, mark }: OpenedQuestion): OpenedReport {
  const views = viewsOf(machine, () => [], mark.value)
  return { barred: barredOf(views, opened), unguarded: unguardedOf(views, opened) }
}

/** Those of whose packets, in some family, none is let through. What cannot be read counts as let through. */
function barredOf(views: readonly View[], allowances: readonly Allowance[]): readonly Barred[] {
  const byFamily = Map.groupBy(allowances, ({ forward, source }) => `${source.family} ${forward}`)
  return [...byFamily.values()].flatMap((some) => {
    const fates = some.flatMap((one) =>
      viewsOfOne(views, one).flatMap((view) =>
        view.atOpened().flatMap((fate) => (meetBox(fate.box, boxOf(one, true)) ? [fate] : [])),
      ),
    )
    const [first] = fates
    if (!first || fates.some(({ state }) => state !== 'closed')) return []
    const { forward, source } = some[0] as Allowance
    return [{ forward, family: source.family, rule: ruleWords(first), place: first.place }]
  })
}

/** No rule of others keeps anybody out. */
function unguardedOf(views: readonly View[], allowances: readonly Allowance[]): readonly string[] {
  const open = allowances.filter((one) =>
    viewsOfOne(views, one).some(({ scene, behind }) =>
      behind.some(({ state, packets, box }) => {
        const met = state === 'open' && !packets.translated ? meetBox(box, boxOf(one, false)) : undefined
        return met && without(scene.sources, met.source).length === 0
      }),
    ),
  )
  return [...new Set(open.map(({ forward }) => forward))]
}

function viewsOfOne(views: readonly View[], { protocol, source, interface: by }: Allowance): readonly View[] {
  return views.filter(
    ({ scene }) =>
      scene.family === source.family &&
      scene.protocol === protocol &&
      (by === null || scene.interface === by),
  )
}

function boxOf({ ports, to, source }: Allowance, fromSource: boolean): Partial<Box> {
  return {
    port: [{ first: BigInt(ports.first), last: BigInt(ports.last) }],
    ...(to !== null && { address: rangeOfAddress(to.text) }),
    ...(fromSource && { source: [networkRange(source)] }),
  }
}

function networkRange({ family, text, length }: Allowance['source']): Range {
  const [only] = rangeOfAddress(text)
  const first = only?.first ?? 0n
  return { first, last: first + (1n << BigInt(bits[family] - length)) - 1n }
}

/** The machine as each kind of packets finds it: by family, protocol and the interface that they come by. */
import type { Family } from '../address.ts'
import type { Transport } from '../listen.ts'
import type { Box } from './box.ts'
import type { Machine } from './exposure.ts'
import {
  alteredBy,
  type Fate,
  fatesOf,
  passToForwards,
  passToOpened,
  passToServices,
  passToTarget,
  rangeOfAddress,
  type Scene,
} from './passage.ts'
import { joined, type Ranges } from './ranges.ts'

/** So many divisions of packets by rules are made; what is left then counts as not read. */
const mostDivisions = 1_000_000
/** The targets of so many forwards are followed through the rules of others, each once. */
const mostTargets = 2_000

export interface View {
  readonly scene: Scene
  /** Up to our forwards. */
  readonly before: readonly Fate[]
  /** Those that forwards leave: to services, and to whom others translate. */
  readonly behind: readonly Fate[]
  /** What becomes of packets that a forward has sent to a target; undefined: too many targets. */
  readonly atTarget: (address: string) => readonly Fate[] | undefined
  /** What becomes of packets that a forward leaves to a service of this machine. */
  readonly atOpened: () => readonly Fate[]
}

/** What forwards take of the packets of this kind. */
export type Openings = (family: Family, protocol: Transport, by: string) => readonly Partial<Box>[]

export function viewsOf(machine: Machine, openings: Openings, mark: number): readonly View[] {
  const altered = alteredBy(machine.filters)
  const budget = { left: mostDivisions }
  const targets = { left: mostTargets }
  return machine.outside.flatMap((name) =>
    ([4, 6] as const).flatMap((family) => {
      const addresses = addressesOf(machine, family, name)
      if (addresses.length === 0) return []
      return (['tcp', 'udp'] as const).map((protocol) => {
        const { filters, ways } = machine
        const scene = { family, protocol, interface: name, addresses, filters, altered, ways, budget }
        return viewOf(scene, openings(family, protocol, name), mark, targets)
      })
    }),
  )
}

function viewOf(
  scene: Scene,
  openings: readonly Partial<Box>[],
  mark: number,
  targets: { left: number },
): View {
  const before = passToForwards(scene)
  const known = new Map<string, readonly Fate[]>()
  // Where no rule stands in the way, all targets are alike.
  const free = !scene.filters.bases.some(({ hook }) => hook !== 'input')
  const atTarget = (address: string) => {
    const key = free ? '' : address
    const found = known.get(key)
    if (found) return found
    if (targets.left <= 0) return undefined
    targets.left -= 1
    const fates = fatesOf(passToTarget(scene, address, mark))
    known.set(key, fates)
    return fates
  }
  let opened: readonly Fate[] | undefined
  const atOpened = () => {
    opened ??= fatesOf(passToOpened(scene, mark))
    return opened
  }
  return {
    scene,
    before: fatesOf(before),
    behind: fatesOf(passToServices(scene, before, openings)),
    atTarget,
    atOpened,
  }
}

/** A link-local address belongs to its link; all others are reached by any interface. */
function addressesOf({ addresses }: Machine, family: Family, name: string): Ranges {
  const reached = addresses.filter(
    (one) => one.family === family && (one.interface === name || !/^(fe80:|169\.254\.)/.test(one.text)),
  )
  return joined(reached.flatMap(({ text }) => rangeOfAddress(text)))
}

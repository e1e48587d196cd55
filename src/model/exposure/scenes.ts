/** The machine as each kind of packets finds it: by family, protocol and the interface that they come by. */
import type { Family } from '../address.ts'
import type { Arrival } from './arrivals.ts'
import type { Box } from './box.ts'
import { type Classes, classesOf } from './classes.ts'
import type { Machine, Protocol, ReturnPath } from './exposure.ts'
import { type Fate, fatesOf } from './fates.ts'
import type { Returns } from './packet.ts'
import { type Passed, passToForwards, passToOpened, passToServices, passToTarget } from './passage.ts'
import { everyOf, joined, meet, type Ranges } from './ranges.ts'
import { type Place, rangesOfSpans } from './rules.ts'
import { alteredBy, bitsOf, isNamed, rangeOfAddress, type Scene } from './scene.ts'

/** So many divisions of packets by rules are made; what is left then counts as not read. */
const mostDivisions = 1_000_000
/** Targets that rules tell apart are followed through them, each kind once; of so many kinds. */
const mostKinds = 2_000

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
export type Openings = (family: Family, protocol: Protocol, by: string) => readonly Partial<Box>[]

export function viewsOf(machine: Machine, openings: Openings, mark: number): readonly View[] {
  const altered = alteredBy(machine.filters)
  const budget = { left: mostDivisions }
  const kinds = { left: mostKinds }
  const classes = classesOf(machine.filters)
  const bridges = new Set(machine.bridges)
  const others = new Set(machine.raw.map(({ protocol }): Protocol => `protocol ${protocol}`))
  return machine.outside.flatMap((name) =>
    arrivalsBy(machine, name).flatMap(({ arrival, label }) =>
      ([4, 6] as const).flatMap((family) => {
        const addresses = addressesOf(machine, family, name)
        if (addresses.length === 0) return []
        const coming = comingBy(machine, family, name)
        const veils = [
          ...programsAt(machine, arrival.devices),
          ...coming.veils,
          ...refusedTables(machine, family),
        ]
        const { filters, ways } = machine
        const same = {
          family,
          interface: name,
          label,
          arrival,
          addresses,
          filters,
          altered,
          ways,
          bridges,
          budget,
        }
        return (['tcp', 'udp', 'icmp', ...others] as const).map((protocol) => {
          const { sources, returns } = coming
          const scene: Scene = { ...same, protocol, sources, returns, veils }
          return viewOf(machine, scene, openings(family, protocol, name), mark, { kinds, classes })
        })
      }),
    ),
  )
}

function viewOf(
  machine: Machine,
  scene: Scene,
  openings: readonly Partial<Box>[],
  mark: number,
  { kinds, classes }: { kinds: { left: number }; classes: Classes },
): View {
  const before = passToForwards(scene)
  const known = new Map<string, readonly Fate[]>()
  const atTarget = (address: string) => {
    const way = scene.ways[address]
    const key = `${classes.ofAddress(address)} ${way ?? '?'}`
    const found = known.get(key)
    if (found) return found
    if (kinds.left <= 0) return undefined
    kinds.left -= 1
    const veils = way === undefined ? [] : programsAt(machine, [{ name: way }])
    const fates = veiled(fatesOf(passToTarget(scene, address, mark)), veils)
    known.set(key, fates)
    return fates
  }
  const told = (work: () => Passed) => once(() => veiled(fatesOf(work()), scene.veils))
  const atBefore = told(() => before)
  const atBehind = told(() => passToServices(scene, before, openings))
  return {
    scene,
    get before() {
      return atBefore()
    },
    get behind() {
      return atBehind()
    },
    atTarget,
    atOpened: told(() => passToOpened(scene, before, mark)),
  }
}

function once<T>(work: () => T): () => T {
  let found: { readonly value: T } | undefined
  return () => {
    found ??= { value: work() }
    return found.value
  }
}

/** What cannot be read may keep out anybody. */
function veiled(fates: readonly Fate[], [veil]: readonly Place[]): readonly Fate[] {
  if (!veil) return fates
  return fates.map((fate) => (fate.state === 'open' ? { ...fate, state: 'unread', place: veil } : fate))
}

/** Tables of iptables-legacy that the kernel did not give. */
function refusedTables({ filters }: Machine, family: Family): readonly Place[] {
  const program = family === 4 ? 'iptables-legacy ' : 'ip6tables-legacy '
  return filters.refused
    .filter((table) => table.startsWith(program))
    .map((table) => ({ table, chain: '', handle: 0, words: `the table ${table}` }))
}

function programsAt({ programs }: Machine, devices: readonly { readonly name: string }[]): readonly Place[] {
  return programs
    .filter(({ device }) => devices.some(({ name }) => name === device))
    .map(({ device, words }) => ({ table: words, chain: device, handle: 0, words: `${words} of ${device}` }))
}

/** Ways past different devices are told apart only where something stands there. */
function arrivalsBy(
  { arrivals, filters, programs }: Machine,
  name: string,
): readonly { readonly arrival: Arrival; readonly label: string }[] {
  const all = arrivals.filter((one) => one.interface === name)
  const below = all.flatMap(({ devices }) => devices.slice(0, -1))
  const isWatched = filters.bases.some(
    ({ hook, devices }) =>
      hook.startsWith('bridge ') || below.some((one) => devices.some((device) => isNamed(one.name, device))),
  )
  const differs = isWatched || programs.some(({ device }) => below.some((one) => one.name === device))
  const [first = { interface: name, devices: [{ name, type: 1, isPort: false, isTagged: false }] }] = all
  if (!differs) return [{ arrival: { ...first, devices: first.devices.slice(-1) }, label: name }]
  return all.map((arrival) => {
    const [lowest] = arrival.devices
    return { arrival, label: lowest && all.length > 1 ? `${name} past ${lowest.name}` : name }
  })
}

interface Coming {
  readonly sources: Ranges
  readonly returns: Returns
  readonly veils: readonly Place[]
}

/** From where packets may come by an interface, as rp_filter has it. */
function comingBy({ returns }: Machine, family: Family, name: string): Coming {
  const path = returns.find((one) => one.family === family && one.interface === name)
  const all = everyOf(bitsOf[family])
  const known = {
    returns: path?.by ? rangesOfSpans(path.by) : undefined,
    routed: path?.any ? rangesOfSpans(path.any) : undefined,
  }
  if (!path || path.filter === 'none') return { sources: all, returns: known, veils: [] }
  const sources = path.filter === 'strict' ? known.returns : known.routed
  const veil = { table: '', chain: 'rp_filter', handle: 0, words: rpFilterUnknown(path) }
  return sources
    ? { sources: meet(all, sources), returns: known, veils: [] }
    : { sources: all, returns: known, veils: [veil] }
}

export const rpFilterUnknown = ({ interface: name }: ReturnPath) =>
  `rp_filter of ${name}, as the routes of this machine are too many or depend on more than addresses`

/** A link-local address belongs to its link; all others are reached by any interface. */
function addressesOf({ addresses }: Machine, family: Family, name: string): Ranges {
  const reached = addresses.filter(
    (one) => one.family === family && (one.interface === name || !/^(fe80:|169\.254\.)/.test(one.text)),
  )
  return joined(reached.flatMap(({ text }) => rangeOfAddress(text)))
}

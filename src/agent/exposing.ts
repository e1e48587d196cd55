/** All by which it can be told what the outside reaches on this machine, as it is now. */
import type { Door } from '../kernel/door.ts'
import { forwardsFrom } from '../kernel/forwarding.ts'
import type { HostFacts } from '../kernel/host.ts'
import { readEcho, readRawSockets } from '../kernel/raw.ts'
import { readLocalAddresses } from '../kernel/services.ts'
import type { Container } from '../model/container.ts'
import { endpointsOf } from '../model/endpoints.ts'
import { rangeOfPrefix } from '../model/exposure/admitted.ts'
import { arrivalsAt } from '../model/exposure/arrivals.ts'
import type { BannedBy } from '../model/exposure/banned.ts'
import type { Machine, Service } from '../model/exposure/exposure.ts'
import { joined } from '../model/exposure/ranges.ts'
import type { Filters, Step } from '../model/exposure/rules.ts'
import type { BanBook } from './banbook.ts'
import type { Holding } from './holding.ts'

interface Sight {
  readonly door: Door
  readonly readHost: () => HostFacts
}

/** The ways to so many targets are looked up; each takes the kernel a few microseconds. */
const mostWays = 2_000

/** The interfaces by which the outside comes: those that hold a default route, or all while none does. */
export async function outsideOf({ door, readHost }: Sight): Promise<readonly string[]> {
  const found = await door.defaultInterfaces()
  return found.length > 0 ? found : readHost().links
}

export async function lookAround(
  sight: Sight & { readonly bans: { readonly book: BanBook } },
  { register, known }: Holding,
  containers: readonly Container[],
): Promise<Machine> {
  const { door } = sight
  const outside = await outsideOf(sight)
  const [services, filters, { links, programs }, returns] = await Promise.all([
    door.services(),
    door.filters(),
    door.links(),
    door.returns(outside),
  ])
  const targets = [...register.forwards.values()].flatMap((forward) =>
    endpointsOf(forward, known).map(({ address }) => address.text),
  )
  const wanted = new Set([...translationTargets(filters), ...targets])
  // Nobody gets to a proxy but by its forward: our own rules see to that.
  const entered = new Set([...known.entrances.values()].flatMap(({ ports }) => ports))
  const isEntrance = ({ protocol, port }: Service) => protocol === 'tcp' && entered.has(port)
  return {
    services: services.filter((one) => !isEntrance(one)),
    filters,
    outside,
    arrivals: outside.flatMap((name) => arrivalsAt(links, name)),
    programs,
    returns,
    bridges: links.flatMap(({ kind, name }) => (kind === 'bridge' ? [name] : [])),
    banned: bannedIn(sight.bans.book),
    down: Object.fromEntries([...known.down].map(([name, dead]) => [name, [...dead]])),
    echo: readEcho(),
    raw: readRawSockets(),
    whereabouts: Object.fromEntries(known.whereabouts),
    entrances: Object.fromEntries([...known.entrances].map(([name, { ports }]) => [name, ports])),
    addresses: readLocalAddresses(),
    ways: await door.ways([...wanted].slice(0, mostWays)),
    forwarding: outside.flatMap((name) =>
      ([4, 6] as const).filter((family) => forwardsFrom(family, name)).map((family) => `${family} ${name}`),
    ),
    containers,
  }
}

function bannedIn(book: BanBook): BannedBy[] {
  const all = Map.groupBy(book.everybody(), ({ by, prefix }) => `${prefix.family} ${by}`)
  return [...all.values()].flatMap((some) => {
    const [first] = some
    if (!first) return []
    const ranges = joined(some.flatMap(({ prefix }) => rangeOfPrefix(prefix)))
    const spans = ranges.map((one) => [one.first.toString(16), one.last.toString(16)] as const)
    return [{ by: first.by, family: first.prefix.family, spans }]
  })
}

function translationTargets({ chains }: Filters): readonly string[] {
  return Object.values(chains).flatMap(({ rules }) => rules.flatMap(({ steps }) => steps.flatMap(targetsOf)))
}

function targetsOf(step: Step): readonly string[] {
  const verdicts =
    step.kind === 'verdict'
      ? [step.verdict]
      : step.kind === 'branch'
        ? step.rows.map((row) => row.verdict)
        : []
  return verdicts.flatMap((one) => (one.kind === 'translate' && one.address !== null ? [one.address] : []))
}

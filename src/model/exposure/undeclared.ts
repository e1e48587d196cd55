/** The exposures that nobody declared here: services of this machine, translations of others, and needless permissions. */
import { isEverywhere } from '../address.ts'
import { type Container, containerAt, containerBehind } from '../container.ts'
import { describeHolder } from '../holder.ts'
import { type Box, coalesced, meetBox, withoutBoxes } from './box.ts'
import { targetWords } from './declared.ts'
import type { Exposure, Machine, RawSocket, Service } from './exposure.ts'
import { type Fate, unionOf } from './fates.ts'
import { joined, meet, type Ranges, without } from './ranges.ts'
import { keyOfPlace, type Place, programOf } from './rules.ts'
import { rangeOfAddress } from './scene.ts'
import type { View } from './scenes.ts'
import { portWords, printAddress, ruleWords, sourceWords } from './words.ts'

/** What is said of some packets of one view that end alike. */
interface Told extends Omit<Exposure, 'interfaces'> {
  readonly by: string
}

export function undeclaredOf(machine: Machine, views: readonly View[]): readonly Exposure[] {
  const services = machine.services.flatMap((service) =>
    views.flatMap((view) => toldOfService(view, service, machine.containers)),
  )
  const translations = views.flatMap((view) => toldOfTranslations(view, machine))
  const permissions = views.flatMap((view) => toldOfPermissions(view, machine.services))
  const pings = views.flatMap((view) => toldOfPing(view, machine.echo))
  const raw = machine.raw.flatMap((socket) => views.flatMap((view) => toldOfRaw(view, socket)))
  return [services, translations, permissions, pings, raw].flatMap(gathered)
}

const empty = { name: null, since: null, declared: false, banned: '' } as const

/** One socket, by one interface and family: what is open of it, or why nothing is. */
function toldOfService(view: View, service: Service, containers: readonly Container[]): readonly Told[] {
  const { scene, behind } = view
  const { protocol, address, families, port, holder } = service
  if (protocol !== scene.protocol || !families.includes(scene.family)) return []
  if (service.interface !== null && service.interface !== scene.interface) return []
  const everywhere = isEverywhere(address)
  const part = {
    port: [{ first: BigInt(port), last: BigInt(port) }],
    ...(!everywhere && { address: rangeOfAddress(address) }),
  }
  const all = behind.filter(({ packets }) => !packets.translated).flatMap((fate) => pieces(fate, part))
  const open = all.filter(({ state }) => state !== 'closed')
  const shown = open.length > 0 ? open : all
  const inner = containerBehind(containers, service)
  const who = `${holder ? describeHolder(holder) : 'a program that was not looked up'}${inner ? ` for container ${inner.name}` : ''}`
  const behindIt = service.question ? `${who}; the port is one for the machine's own questions` : who
  return told(view, shown, everywhere).map((one) => ({
    ...one,
    kind: 'service',
    ports: String(port),
    behind: behindIt,
    answered: true,
  }))
}

function pieces(fate: Fate, part: Partial<Box>): readonly Fate[] {
  const box = meetBox(fate.box, part)
  return box ? [{ ...fate, box }] : []
}

type Ending = Omit<Told, 'kind' | 'ports' | 'behind' | 'answered'> & { readonly box: Box }

/** Those that end by the same rule together. Every address of this machine is none in particular. */
function told({ scene }: View, fates: readonly Fate[], everywhere = true): readonly Ending[] {
  const { family, protocol, label: by } = scene
  const groups = Map.groupBy(fates, ({ state, place }) => [state, keyOfPlace(place)].join())
  return [...groups.values()].flatMap((some) =>
    coalesced(some.map(({ box }) => box)).map((box) => {
      const [fate] = some as [Fate]
      const all = everywhere && without(scene.addresses, box.address).length === 0
      const from = fate.state === 'closed' ? 'nobody' : sourceWords(box, family, scene.sources)
      return {
        ...empty,
        box,
        protocols: [protocol],
        families: [family],
        by,
        addresses: all ? [] : box.address.flatMap(({ first, last }) => addressesBetween(first, last, family)),
        state: fate.state,
        anywhere: from === 'anywhere',
        from,
        rule: ruleWords(fate),
      }
    }),
  )
}

/** Addresses of this machine: there are never many. */
function addressesBetween(first: bigint, last: bigint, family: 4 | 6): string[] {
  const found: string[] = []
  for (let at = first; at <= last; at += 1n) found.push(printAddress(at, family))
  return found
}

/** What rules of others send elsewhere, by rule. */
function toldOfTranslations(view: View, machine: Machine): readonly Told[] {
  const { scene } = view
  const translated = view.behind.filter(({ packets }) => packets.translated)
  const byRule = Map.groupBy(translated, ({ packets }) => keyOfPlace(packets.translated?.place ?? null))
  return [...byRule.values()].flatMap((fates) => {
    const open = fates.filter(({ state }) => state !== 'closed')
    const to = fates[0]?.packets.translated
    if (!to) return []
    const away = to.address !== null && !machine.addresses.some(({ text }) => text === to.address)
    const stopped = away && !machine.forwarding.includes(`${scene.family} ${scene.interface}`)
    const hasPorts = scene.protocol === 'tcp' || scene.protocol === 'udp'
    return told(view, open.length > 0 ? open : fates).flatMap((one) => {
      return {
        ...one,
        kind: 'translation',
        ports: hasPorts ? portWords(one.box.port) : '',
        behind: `${whereTo(to, machine.containers)}, by ${programOf(to.place) ?? 'a rule'} (${placeWords(to.place)})`,
        answered: away || to.address === undefined ? null : isServed(view, machine.services, fates),
        ...(stopped && {
          state: 'closed',
          anywhere: false,
          from: 'nobody',
          rule: 'this machine does not forward what comes by that interface',
        }),
      } as const
    })
  })
}

function whereTo(
  { address, ports }: NonNullable<Fate['packets']['translated']>,
  containers: readonly Container[],
): string {
  if (address === undefined) return 'a target that cannot be read'
  if (address !== null) {
    const found = containerAt(containers, address)
    return `${targetWords(address, ports)}${found ? ` of container ${found.name}` : ''}`
  }
  return ports ? `port ${ports[0] === ports[1] ? ports[0] : ports.join('-')} of this machine` : 'this machine'
}

const placeWords = ({ table, chain, handle }: Place) =>
  `table ${table}, chain ${chain}, rule handle ${handle}`

/** Whether something listens where they come to on this machine. */
function isServed({ scene }: View, services: readonly Service[], fates: readonly Fate[]): boolean {
  const port = unionOf(
    fates.map(({ packets }) => packets.box),
    'port',
  )
  return services.some(
    (one) =>
      one.protocol === scene.protocol &&
      one.families.includes(scene.family) &&
      meet(port, [{ first: BigInt(one.port), last: BigInt(one.port) }]).length > 0,
  )
}

/** Rules that name ports on which nobody listens. */
function toldOfPermissions(view: View, services: readonly Service[]): readonly Told[] {
  const { scene, behind } = view
  const served = joined(
    services
      .filter((one) => one.protocol === scene.protocol && one.families.includes(scene.family))
      .filter((one) => one.interface === null || one.interface === scene.interface)
      .map(({ port }) => ({ first: BigInt(port), last: BigInt(port) })),
  )
  const admitted = behind.filter(
    ({ state, packets }) => state === 'open' && packets.named && !packets.translated,
  )
  const idle = admitted.flatMap((fate) =>
    withoutBoxes([fate.box], served.length > 0 ? [{ port: served }] : []).map((box) => ({ ...fate, box })),
  )
  return told(view, idle).map((one) => ({
    ...one,
    kind: 'permission',
    ports: portWords(one.box.port),
    behind: 'nobody listens',
    answered: false,
  }))
}

/** What of the rest comes to its end here, whatever its port. */
function toldHere(view: View, part: Partial<Box>, everywhere: boolean): readonly Ending[] {
  const all = view.behind.filter(({ packets }) => !packets.translated).flatMap((fate) => pieces(fate, part))
  const open = all.filter(({ state }) => state !== 'closed')
  return told(view, open.length > 0 ? open : all, everywhere)
}

/** Whether this machine answers, where no forward takes the question. */
function toldOfPing(view: View, echo: Machine['echo']): readonly Told[] {
  const { scene } = view
  if (scene.protocol !== 'icmp') return []
  const mute = !echo.includes(scene.family)
  const why = scene.family === 4 ? 'net.ipv4.icmp_echo_ignore_all' : 'net.ipv6.icmp.echo_ignore_all'
  return toldHere(view, {}, true).map((one) => ({
    ...one,
    kind: 'ping',
    ports: '',
    behind: 'the kernel answers echo requests',
    answered: !mute,
    ...(mute && { state: 'closed', anywhere: false, from: 'nobody', rule: `blocked by ${why}` }),
  }))
}

function toldOfRaw(view: View, { family, protocol, address, user }: RawSocket): readonly Told[] {
  const { scene } = view
  if (scene.protocol !== `protocol ${protocol}` || scene.family !== family) return []
  const everywhere = isEverywhere(address)
  return toldHere(view, everywhere ? {} : { address: rangeOfAddress(address) }, everywhere).map((one) => ({
    ...one,
    kind: 'raw',
    ports: '',
    behind: `a raw socket of user ${user}`,
    answered: true,
  }))
}

/** The same of several families, protocols, interfaces and ports is one exposure; what is open comes first. */
function gathered(all: readonly Told[]): readonly Exposure[] {
  const samePorts = Map.groupBy(all, (one) => [keyOf(one), one.ports].join('\n'))
  const exposures = [...samePorts.values()].map(joinedAs)
  const same = Map.groupBy(exposures, (one) =>
    [keyOf(one), one.interfaces, one.protocols, one.families].join('\n'),
  )
  return [...same.values()]
    .map((some) => ({ ...(some[0] as Exposure), ports: portsOf(some) }))
    .sort((a, b) => rank(a) - rank(b) || Number.parseInt(a.ports, 10) - Number.parseInt(b.ports, 10))
}

const rank = ({ state }: Exposure) => (state === 'closed' ? 1 : 0)

function keyOf({ kind, state, from, rule, behind, answered, addresses }: Told | Exposure): string {
  return [kind, state, from, rule, behind, answered, addresses.join()].join('\n')
}

const portsOf = (some: readonly Exposure[]) =>
  some.every(({ ports }) => ports === '') ? '' : portWords(joined(some.flatMap(rangesOf)))

function rangesOf({ ports }: Exposure): Ranges {
  if (ports === '') return []
  return ports.split(',').map((part) => {
    const [low = '0', high = low] = part.split('-')
    return { first: BigInt(low), last: BigInt(high) }
  })
}

function joinedAs(some: readonly Told[]): Exposure {
  const { by: _by, box: _box, ...plain } = some[0] as Told & { readonly box?: Box }
  const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)]
  return {
    ...plain,
    protocols: distinct(some.flatMap(({ protocols }) => protocols)),
    families: distinct(some.flatMap(({ families }) => families)),
    interfaces: distinct(some.map(({ by }) => by)),
  }
}

/** The exposures that are declared: forwards, each once. */
import { type Family, withPort } from '../address.ts'
import { type Endpoint, endpointsOf, type Whereabouts } from '../endpoints.ts'
import { type Forward, familiesOf, isOwn } from '../forward.ts'
import type { Mark } from '../gateway.ts'
import type { Transport } from '../listen.ts'
import { mapPort } from '../mapping.ts'
import { printPorts } from '../ports.ts'
import { describeSources } from '../sources.ts'
import { printTarget } from '../target.ts'
import { type Box, meetBox } from './box.ts'
import type { Exposure } from './exposure.ts'
import { type Fate, rangeOfAddress, unionOf } from './passage.ts'
import { isAll, joined, type Ranges } from './ranges.ts'
import type { Openings, View } from './scenes.ts'
import { ruleWords, sourceWords } from './words.ts'

export interface Declared {
  readonly forwards: readonly Forward[]
  readonly locked: boolean
  readonly mark: Mark
  readonly whereabouts: Whereabouts
}

/** What forwards take away from this machine, all of those of one place together. */
export function openingsOf({ forwards, locked }: Declared): Openings {
  const byPlace = Map.groupBy(
    locked
      ? []
      : forwards.filter((forward) => forward.enabled && forward.listen.kind === 'ports' && !isOwn(forward)),
    ({ listen }) =>
      listen.kind === 'ping' || listen.place.kind === 'any'
        ? ''
        : listen.place.kind === 'address'
          ? `@${listen.place.address.text}`
          : `%${listen.place.name}`,
  )
  return (family, protocol, by) =>
    [...byPlace].flatMap(([place, some]) => {
      if (place.startsWith('%') && place !== `%${by}`) return []
      const address = place.startsWith('@') ? place.slice(1) : undefined
      if (address !== undefined && address.includes(':') !== (family === 6)) return []
      const port = joined(
        some.flatMap((forward) => (takes(forward, family, protocol) ? portsOf(forward) : [])),
      )
      if (port.length === 0) return []
      return [{ port, ...(address !== undefined && { address: rangeOfAddress(address) }) }]
    })
}

function takes(forward: Forward, family: Family, protocol: Transport): boolean {
  const { listen } = forward
  if (listen.kind === 'ping' || !listen.protocols.includes(protocol)) return false
  return familiesOf(forward).includes(family)
}

function portsOf({ listen }: Forward): Ranges {
  if (listen.kind === 'ping') return []
  return listen.ports.map(({ first, last }) => ({ first: BigInt(first), last: BigInt(last) }))
}

export function exposureOfForward(forward: Forward, declared: Declared, views: readonly View[]): Exposure {
  const { listen, targets, sources } = forward
  const judged = judge(forward, declared, views)
  return {
    kind: 'forward',
    name: forward.name,
    protocols: listen.kind === 'ping' ? ['icmp'] : listen.protocols,
    families: familiesOf(forward),
    ports: listen.kind === 'ping' ? '' : printPorts(listen.ports),
    addresses:
      listen.kind === 'ping'
        ? [listen.address.text]
        : listen.place.kind === 'address'
          ? [listen.place.address.text]
          : [],
    interfaces: judged.interfaces,
    state: judged.state,
    anywhere: sources === 'anywhere' && judged.narrowed === '' && judged.state !== 'closed',
    from: `${sources === 'anywhere' ? 'anywhere' : describeSources(sources).replace(/^(only )?from /, '')}${judged.narrowed}`,
    rule: judged.rule,
    behind: targets.map((target) => printTarget(target, listen)).join(' and '),
    answered: null,
    since: null,
    declared: true,
  }
}

interface Judged {
  readonly state: Exposure['state']
  readonly rule: string
  readonly interfaces: readonly string[]
  /** What rules of others leave of the sources, in words; '' when all. */
  readonly narrowed: string
}

const shut = (rule: string): Judged => ({ state: 'closed', rule, interfaces: [], narrowed: '' })

function judge(forward: Forward, { locked, whereabouts }: Declared, views: readonly View[]): Judged {
  const { listen, enabled, sources } = forward
  if (!enabled) return shut('it is switched off')
  if (locked) return shut('the lockdown keeps it shut')
  if (sources !== 'anywhere' && sources.length === 0) return shut('its sources admit nobody')
  if (listen.kind === 'ping')
    return { state: 'open', rule: 'rules of others for ping are not looked at', interfaces: [], narrowed: '' }
  const { place } = listen
  const by = views.filter(({ scene }) => place.kind !== 'interface' || scene.interface === place.name)
  if (by.length === 0) return shut('the outside does not come by its interface')
  const fates = by.flatMap((view) =>
    takes(forward, view.scene.family, view.scene.protocol) ? throughTo(view, forward, whereabouts) : [],
  )
  if (fates.length === 0) return shut('this machine has no address that it listens on')
  const best = (['open', 'unread', 'closed'] as const).find((state) =>
    fates.some((fate) => fate.state === state),
  )
  const some = fates.filter(({ state }) => state === best)
  const [first] = some as [Through]
  const whole = some.some(({ box, family }) => isAll(box.source, family === 4 ? 32 : 128))
  const source = unionOf(
    some.filter(({ family }) => family === first.family).map(({ box }) => box),
    'source',
  )
  return {
    state: first.state,
    rule: first.rule,
    interfaces: [...new Set(some.map(({ by: name }) => name))],
    narrowed:
      whole || first.state === 'closed'
        ? ''
        : `, of those ${sourceWords({ ...first.box, source }, first.family)}`,
  }
}

interface Through {
  readonly state: Exposure['state']
  readonly rule: string
  readonly box: Box
  readonly by: string
  readonly family: Family
}

/** What becomes of the packets of this forward that come as this view's do. */
function throughTo(view: View, forward: Forward, whereabouts: Whereabouts): readonly Through[] {
  if (isOwn(forward)) return throughToService(view, forward)
  const endpoints = endpointsOf(forward, { whereabouts, down: new Map() })
  return endpoints
    .filter(({ address }) => address.family === view.scene.family)
    .flatMap((endpoint) => throughToEndpoint(view, forward, endpoint))
}

/** A service of this machine gets what it would get without a forward. */
function throughToService({ scene, atOpened }: View, forward: Forward): readonly Through[] {
  const { family, interface: by } = scene
  return atOpened()
    .flatMap((fate) => pieceOf(fate, openingOf(forward)))
    .map((fate) => ({ ...fate, rule: ruleWords(fate), by, family }))
}

function openingOf(forward: Forward): Partial<Box> {
  const { listen } = forward
  return {
    port: portsOf(forward),
    ...(listen.kind === 'ports' &&
      listen.place.kind === 'address' && { address: rangeOfAddress(listen.place.address.text) }),
  }
}

/** What becomes of the packets of this forward on their way to one endpoint. */
function throughToEndpoint(view: View, forward: Forward, target: Endpoint): readonly Through[] {
  const { scene } = view
  const { listen } = forward
  if (listen.kind === 'ping') return []
  const { family, interface: by } = scene
  const opening = openingOf(forward)
  const pieces = view.before.flatMap((fate) => pieceOf(fate, opening))
  if (pieces.length === 0) return takenBefore(view, opening)
  const through = (fate: Fate): Through => ({ ...fate, rule: ruleWords(fate), by, family })
  const closed = pieces.filter(({ state }) => state === 'closed').map(through)
  const port = joined(
    listen.ports.map(({ first, last }) => {
      const [low, high] = [mapPort(target.ports, first, listen), mapPort(target.ports, last, listen)]
      return { first: BigInt(low), last: BigInt(high) }
    }),
  )
  const fates = view.atTarget(target.address.text)
  return pieces
    .filter(({ state }) => state !== 'closed')
    .flatMap((piece): readonly Through[] => {
      if (!fates)
        return [
          {
            ...through(piece),
            state: 'unread',
            rule: 'too many targets to follow each through the rules of others',
          },
        ]
      return fates
        .flatMap((fate) => pieceOf(fate, { port, source: piece.box.source }))
        .map((fate) => {
          const state = piece.state === 'unread' && fate.state === 'open' ? 'unread' : fate.state
          const told = fate.state !== 'open' || (piece.state === 'open' && fate.place) ? fate : piece
          return through({ ...told, state, box: fate.box })
        })
    })
    .concat(closed)
}

/** Where rules of NAT before ours have taken all of them. */
function takenBefore({ scene, behind }: View, opening: Partial<Box>): readonly Through[] {
  const taken = behind.flatMap((fate) => (fate.packets.translated ? pieceOf(fate, opening) : []))
  return taken.slice(0, 1).map((fate) => ({
    state: 'closed',
    rule: `taken before it: ${ruleWords({ ...fate, state: 'closed', place: fate.packets.translated?.place ?? null })}`,
    box: fate.box,
    by: scene.interface,
    family: scene.family,
  }))
}

function pieceOf(fate: Fate, part: Partial<Box>): readonly Fate[] {
  const box = meetBox(fate.box, part)
  return box ? [{ ...fate, box }] : []
}

/** `10.0.0.5:80`, as a translation of others names its target. */
export function targetWords(address: string, ports: readonly [number, number] | null): string {
  if (!ports) return address
  const port = ports[0] === ports[1] ? String(ports[0]) : ports.join('-')
  return withPort({ family: address.includes(':') ? 6 : 4, text: address }, port)
}

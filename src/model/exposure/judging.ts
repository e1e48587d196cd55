/** What becomes of the packets that a forward takes: through the rules before it, and on to where it sends them. */
import type { Family } from '../address.ts'
import type { Endpoint } from '../endpoints.ts'
import { type Forward, familiesOf, isOwn } from '../forward.ts'
import { mapPort } from '../mapping.ts'
import type { Banned } from './banned.ts'
import { type Box, meetBox } from './box.ts'
import { type Case, placeOf } from './cases.ts'
import type { Exposure, Machine, Protocol } from './exposure.ts'
import { type Fate, unionOf } from './fates.ts'
import { joined, meet, type Ranges, without } from './ranges.ts'
import { rangeOfAddress } from './scene.ts'
import type { View } from './scenes.ts'
import { isWide, ruleWords, sourceWords } from './words.ts'

export interface Judged {
  readonly state: Exposure['state']
  readonly rule: string
  readonly interfaces: readonly string[]
  /** What rules of others leave of the sources, in words; '' when all. */
  readonly narrowed: string
  /** Who among those is banned, in words. */
  readonly banned: string
  readonly answered: boolean | null
}

function takes(forward: Forward, family: Family, protocol: Protocol): boolean {
  const { listen } = forward
  const isOne =
    listen.kind === 'ping' ? protocol === 'icmp' : listen.protocols.some((one) => one === protocol)
  return isOne && familiesOf(forward).includes(family)
}

function portsOf({ listen }: Forward): Ranges {
  if (listen.kind === 'ping') return [{ first: 1n, last: 65535n }]
  return listen.ports.map(({ first, last }) => ({ first: BigInt(first), last: BigInt(last) }))
}

export const shut = (rule: string): Judged => ({
  state: 'closed',
  rule,
  interfaces: [],
  narrowed: '',
  banned: '',
  answered: null,
})

export function judge({ forward, endpoints, entrance }: Case, views: readonly View[]): Judged {
  const place = placeOf(forward)
  const by = views.filter(({ scene }) => !place.startsWith('%') || scene.interface === place.slice(1))
  if (by.length === 0) return shut('the outside does not come by its interface')
  const taken = by.filter(({ scene }) => takes(forward, scene.family, scene.protocol))
  const fates = taken.flatMap((view) => throughTo(view, { forward, endpoints, entrance }))
  if (fates.length === 0)
    return shut(
      taken.length > 0 && endpoints.length === 0 && !isOwn(forward)
        ? 'none of its targets takes connections, or no address of theirs is known'
        : 'this machine has no address that it listens on',
    )
  const best = (['open', 'unread', 'closed'] as const).find((state) =>
    fates.some((fate) => fate.state === state),
  )
  const some = fates.filter(({ state }) => state === best)
  const [first] = some as [Through]
  const whole = some.some(
    ({ box, universe, family }) => without(universe, box.source).length === 0 && isWide(universe, family),
  )
  const source = unionOf(
    some.filter(({ family }) => family === first.family).map(({ box }) => box),
    'source',
  )
  return {
    ...shut(first.rule),
    state: first.state,
    interfaces: [...new Set(some.map(({ by: name }) => name))],
    narrowed:
      whole || first.state === 'closed'
        ? ''
        : `, of those ${sourceWords({ ...first.box, source }, first.family, first.universe)}`,
  }
}

/** Of a forward to this machine it is known whether somebody listens there. */
export function withService(judged: Judged, forward: Forward, { services }: Machine): Judged {
  const { listen } = forward
  if (!isOwn(forward) || listen.kind === 'ping' || judged.state === 'closed') return judged
  const asked = portsOf(forward)
  const answered = services.some(
    ({ protocol, port }) =>
      listen.protocols.includes(protocol) &&
      meet(asked, [{ first: BigInt(port), last: BigInt(port) }]).length > 0,
  )
  return { ...judged, answered }
}

export function withBans(judged: Judged, { words, everybody }: Banned): Judged {
  if (judged.state === 'closed' || words === '') return judged
  return everybody ? shut(`all who may use it are banned: ${words}`) : { ...judged, banned: words }
}

interface Through {
  readonly state: Exposure['state']
  readonly rule: string
  readonly box: Box
  readonly by: string
  readonly family: Family
  /** From where anybody may come there. */
  readonly universe: Ranges
}

/** What becomes of the packets of this forward that come as this view's do. */
function throughTo(view: View, { forward, endpoints, entrance }: Case): readonly Through[] {
  if (isOwn(forward)) return throughToService(view, openingOf(forward))
  if (forward.via) return endpoints.length > 0 ? throughToService(view, { port: portRanges(entrance) }) : []
  return endpoints
    .filter(({ address }) => address.family === view.scene.family)
    .flatMap((endpoint) => throughToEndpoint(view, forward, endpoint))
}

/**
 * A service of this machine is reached with our mark, and otherwise as without a forward; so is a proxy, at the port to which
 * connections are redirected.
 */
function throughToService(view: View, opening: Partial<Box>): readonly Through[] {
  const { scene } = view
  const pieces = view.atOpened().flatMap((fate) => pieceOf(fate, opening))
  if (pieces.length === 0) return takenBefore(view, opening)
  const { family, label: by } = scene
  return pieces.map((fate) => ({ ...fate, rule: ruleWords(fate), by, family, universe: scene.sources }))
}

function portRanges(ports: readonly number[]): Ranges {
  return joined(ports.map((port) => ({ first: BigInt(port), last: BigInt(port) })))
}

function openingOf(forward: Forward): Partial<Box> {
  const { listen } = forward
  if (listen.kind === 'ping') return { address: rangeOfAddress(listen.address.text) }
  const { place } = listen
  const address = place.kind === 'address' && { address: rangeOfAddress(place.address.text) }
  return { port: portsOf(forward), ...address }
}

/** What becomes of the packets of this forward on their way to one endpoint. */
function throughToEndpoint(view: View, forward: Forward, target: Endpoint): readonly Through[] {
  const { scene } = view
  const { family, label: by } = scene
  const opening = openingOf(forward)
  const pieces = view.before.flatMap((fate) => pieceOf(fate, opening))
  if (pieces.length === 0) return takenBefore(view, opening)
  const through = (fate: Fate): Through => ({
    ...fate,
    rule: ruleWords(fate),
    by,
    family,
    universe: scene.sources,
  })
  const closed = pieces.filter(({ state }) => state === 'closed').map(through)
  const port = targetPorts(forward, target)
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
        .flatMap((fate) => pieceOf(fate, { ...(port && { port }), source: piece.box.source }))
        .map((fate) => {
          const state = piece.state === 'unread' && fate.state === 'open' ? 'unread' : fate.state
          const told = fate.state !== 'open' || (piece.state === 'open' && fate.place) ? fate : piece
          return through({ ...told, state, box: fate.box })
        })
    })
    .concat(closed)
}

/** Undefined for what has none. */
function targetPorts({ listen }: Forward, { ports }: Endpoint): Ranges | undefined {
  if (listen.kind === 'ping') return undefined
  return joined(
    listen.ports.map(({ first, last }) => {
      const [low, high] = [mapPort(ports, first, listen), mapPort(ports, last, listen)]
      return { first: BigInt(low), last: BigInt(high) }
    }),
  )
}

/** Where rules of NAT before ours have taken all of them. */
function takenBefore({ scene, behind }: View, opening: Partial<Box>): readonly Through[] {
  const taken = behind.flatMap((fate) => (fate.packets.translated ? pieceOf(fate, opening) : []))
  return taken.slice(0, 1).map((fate) => ({
    state: 'closed',
    rule: `taken before it: ${ruleWords({ ...fate, state: 'closed', place: fate.packets.translated?.place ?? null })}`,
    box: fate.box,
    by: scene.label,
    family: scene.family,
    universe: scene.sources,
  }))
}

function pieceOf(fate: Fate, part: Partial<Box>): readonly Fate[] {
  const box = meetBox(fate.box, part)
  return box ? [{ ...fate, box }] : []
}

/** forward -> map elements. Pure: same input, same bytes. This is all that one forward is in the kernel. */
import { type Address, type Family, networkOf, type Prefix } from '../model/address.ts'
import { type Forward, familiesOf, type SourceNat } from '../model/forward.ts'
import type { Numbered } from '../model/gateway.ts'
import type { Listen, Place } from '../model/listen.ts'
import { eachPort } from '../model/ports.ts'
import type { List, Source } from '../model/sources.ts'
import { mapPort, type Target } from '../model/target.ts'
import { readSetName, setName } from './sets.ts'

/** One element: `key` and `data` are its fields as nft prints them, joined by ` . `. */
export interface Element {
  readonly set: string
  readonly key: string
  readonly data?: string
}

export type Lists = ReadonlyMap<string, List>

/** The elements of one forward; none when it is switched off. */
export function elementsOf({ number, forward }: Numbered, lists: Lists): readonly Element[] {
  if (!forward.enabled) return []
  const id = classid(number)
  return [
    ...openingsOf(id, forward),
    ...targetsOf(id, forward),
    ...guardOf(id, forward),
    ...sourcesOf(id, forward, lists),
    ...sourceNatOf(id, forward),
    ...limitsOf(id, forward),
  ]
}

/** A number as a traffic class id, which is how nft writes `meta priority`: two 16-bit halves in hexadecimal. */
export function classid(number: number): string {
  return `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`
}

/** The number that a class id stands for. */
export function numberOf(id: string): number {
  const [major = '', minor = ''] = id.split(':')
  return Number.parseInt(major, 16) * 0x10000 + Number.parseInt(minor, 16)
}

/** The element that keeps a network out of every forward. */
export function bannedElement({ family, length, text }: Prefix): Element {
  return { set: setName({ kind: 'banned', family, length }), key: text }
}

function openingsOf(id: string, { listen, targets }: Forward): Element[] {
  if (listen.kind === 'ping') {
    return [{ set: `pings${listen.address.family}`, key: listen.address.text, data: id }]
  }
  return targets.flatMap(({ address }) => {
    const { set, prefix } = placeKey(listen.place, address.family)
    return eachOpening(listen).map(({ opening }) => ({ set, key: `${prefix} . ${opening}`, data: id }))
  })
}

function placeKey(place: Place, family: Family): { set: string; prefix: string } {
  switch (place.kind) {
    case 'any':
      return { set: 'openings', prefix: `ipv${family}` }
    case 'address':
      return { set: `openings_at${family}`, prefix: place.address.text }
    case 'interface':
      return { set: 'openings_on', prefix: `"${place.name}" . ipv${family}` }
  }
}

function eachOpening(listen: Listen & { kind: 'ports' }): { opening: string; port: number }[] {
  return listen.protocols.flatMap((protocol) =>
    [...eachPort(listen.ports)].map((port) => ({ opening: `${protocol} . ${port}`, port })),
  )
}

function targetsOf(id: string, { listen, targets }: Forward): Element[] {
  return targets.flatMap((target) =>
    listen.kind === 'ping' ? [pingTarget(id, target)] : portTargets(id, listen, target),
  )
}

function pingTarget(id: string, { address }: Target): Element {
  return { set: `ping_targets${address.family}`, key: id, data: address.text }
}

/** One element per port: `dnat to a:lo-hi` would put every port on `lo`, as the kernel takes the first free one. */
function portTargets(id: string, listen: Listen & { kind: 'ports' }, { address, ports }: Target): Element[] {
  const set = `targets${address.family}`
  return eachOpening(listen).map(({ opening, port }) => ({
    set,
    key: `${id} . ${opening}`,
    data: `${address.text} . ${mapPort(ports, port, listen)}`,
  }))
}

/** Forwards with sources or limits are looked at twice; the others pay one look-up for not being so. */
function guardOf(id: string, { sources, limits }: Forward): Element[] {
  const guarded = sources !== 'anywhere' || limits.newPerSource || limits.openPerSource
  return guarded ? [{ set: 'guarded', key: id }] : []
}

function sourcesOf(id: string, forward: Forward, lists: Lists): Element[] {
  if (forward.sources === 'anywhere') return []
  const prefixes = prefixesOf(forward.sources, lists).filter(({ family }) =>
    familiesOf(forward).includes(family),
  )
  const allowed = prefixes.map((prefix) => ({
    set: setName({ kind: 'allowed', family: prefix.family, length: prefix.length }),
    key: `${id} . ${prefix.text}`,
  }))
  return [{ set: 'restricted', key: id }, { set: 'refused', key: id }, ...distinct(allowed)]
}

/** The prefixes that `sources` stand for now. A list that is not there stands for nobody. */
export function prefixesOf(sources: readonly Source[], lists: Lists): readonly Prefix[] {
  return sources.flatMap((source) =>
    source.kind === 'prefix' ? [source.prefix] : (lists.get(source.name)?.prefixes ?? []),
  )
}

/** The sets made by need in which the forward has elements. */
export function neededSets(forward: Forward, lists: Lists): readonly string[] {
  const elements = [...sourcesOf('', forward, lists), ...sourceNatOf('', forward), ...limitsOf('', forward)]
  return [...new Set(elements.map(({ set }) => set))].filter((set) => readSetName(set))
}

function distinct(elements: Element[]): Element[] {
  return [...new Map(elements.map((element) => [`${element.set} ${element.key}`, element])).values()]
}

function sourceNatOf(id: string, { sourceNat }: Forward): Element[] {
  if (sourceNat.kind === 'auto') return []
  return [{ set: 'chosen', key: id }, choiceOf(id, sourceNat)]
}

function choiceOf(id: string, sourceNat: Exclude<SourceNat, { kind: 'auto' }>): Element {
  switch (sourceNat.kind) {
    case 'preserve':
      return { set: 'preserved', key: id }
    case 'masquerade':
      return { set: 'masqueraded', key: id }
    case 'address': {
      const { family, text } = sourceNat.address
      return { set: `sources${family}`, key: id, data: text }
    }
  }
}

function limitsOf(id: string, { limits: { newPerSource, openPerSource } }: Forward): Element[] {
  return [
    ...(newPerSource || openPerSource ? [{ set: 'limited', key: id }] : []),
    ...(newPerSource ? [{ set: setName({ kind: 'rate', ...newPerSource }), key: id }] : []),
    ...(openPerSource ? [{ set: setName({ kind: 'open', count: openPerSource }), key: id }] : []),
  ]
}

/** Who may use the forward, as the kernel would judge it: one look-up for each prefix length in use. */
export function admitterOf(forward: Pick<Forward, 'sources'>, lists: Lists): (address: Address) => boolean {
  if (forward.sources === 'anywhere') return () => true
  const prefixes = prefixesOf(forward.sources, lists)
  const networks = new Set(prefixes.map(({ text, length }) => `${text}/${length}`))
  const lengths = ([4, 6] as const).map(
    (family) =>
      [
        family,
        new Set(prefixes.filter((prefix) => prefix.family === family).map(({ length }) => length)),
      ] as const,
  )
  const byFamily = new Map(lengths)
  return (address) =>
    [...(byFamily.get(address.family) ?? [])].some((length) =>
      networks.has(`${networkOf(address, length)}/${length}`),
    )
}

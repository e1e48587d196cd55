/** forward -> map elements. Pure: same input, same bytes. This is all that one forward is in the kernel. */
import { type Address, type Family, networkOf, type Prefix } from '../model/address.ts'
import type { Known } from '../model/endpoints.ts'
import { type Forward, familiesOf, type SourceNat } from '../model/forward.ts'
import type { Numbered } from '../model/gateway.ts'
import type { Place } from '../model/listen.ts'
import type { List, Source } from '../model/sources.ts'
import { deliveryElements, deliverySets, openingsIn } from './delivery.ts'
import { classid, type Element } from './element.ts'
import { readSetName, setName } from './sets.ts'

export type Lists = ReadonlyMap<string, List>

/** The elements of one forward; none when it is switched off. */
export function elementsOf({ number: own, forward }: Numbered, known: Known): readonly Element[] {
  if (!forward.enabled) return []
  const number = known.entrances.get(forward.name)?.number ?? own
  const id = classid(number)
  return [
    ...openingsOf(id, forward),
    ...deliveryElements(number, forward, known),
    ...guardOf(id, forward),
    ...sourcesOf(id, forward, known.lists),
    ...sourceNatOf(id, forward),
    ...limitsOf(id, forward),
  ]
}

/** The element that keeps a network out of every forward. */
export function bannedElement({ family, length, text }: Prefix): Element {
  return { set: setName({ kind: 'banned', family, length }), key: text }
}

function openingsOf(id: string, forward: Forward): Element[] {
  const { listen } = forward
  if (listen.kind === 'ping') {
    return [{ set: `pings${listen.address.family}`, key: listen.address.text, data: id }]
  }
  return familiesOf(forward).flatMap((family) => {
    const { set, prefix } = placeKey(listen.place, family)
    return openingsIn(listen).map(({ opening }) => ({ set, key: `${prefix} . ${opening}`, data: id }))
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
export function neededSets(forward: Forward, known: Known): readonly string[] {
  const elements = [
    ...sourcesOf('', forward, known.lists),
    ...sourceNatOf('', forward),
    ...limitsOf('', forward),
  ]
  const sets = [...deliverySets(forward, known), ...elements.map(({ set }) => set)]
  return [...new Set(sets)].filter((set) => readSetName(set))
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

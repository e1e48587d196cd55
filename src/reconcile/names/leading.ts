/** Where names lead, out of what is known of each: the services of an SRV name are names of their own. Pure. */
import { bounded, type Located } from '../../model/endpoints.ts'
import { describeTrouble, type NameView, printLocated } from '../../model/naming.ts'
import type { NameState } from './judging.ts'

type States = (name: string) => NameState | undefined

/** A share of less than a hundredth of the largest is rounded up to that. */
const mostWeight = 100

/** An endpoint of a service, with its share as RFC 2782 has it. */
type Share = Required<Located>

export function placesOf(name: string, states: States): readonly Located[] {
  const known = states(name)?.known
  if (!known) return []
  if (known.kind === 'addresses') return known.addresses.map((address) => ({ address }))
  const places = ([4, 6] as const).flatMap((family) => {
    const shares = known.services.flatMap((service) => {
      const here = placesOf(service.name, states).filter(({ address }) => address.family === family)
      // Several addresses of one service share its weight. With weight 0 it has a small chance (RFC 2782).
      const weight = Math.max(service.weight, 0.01) / here.length
      return here.map(({ address }) => ({ address, port: service.port, weight }))
    })
    return evened(merged(shares))
  })
  return bounded(places)
}

/** The same endpoint twice is one with both weights. */
function merged(places: readonly Share[]): readonly Share[] {
  const found = new Map<string, Share>()
  for (const place of places) {
    const key = printLocated(place)
    found.set(key, { ...place, weight: place.weight + (found.get(key)?.weight ?? 0) })
  }
  return [...found.values()]
}

/** Whole weights, the smallest that say the same. */
function evened(places: readonly Share[]): readonly Located[] {
  const largest = Math.max(...places.map(({ weight }) => weight))
  const smallest = Math.min(...places.map(({ weight }) => weight))
  const exact = places.every(({ weight }) => Number.isInteger(weight / smallest))
  const scale = exact && largest / smallest <= mostWeight ? 1 / smallest : mostWeight / largest
  return places.map((place) => ({ ...place, weight: Math.max(1, Math.round(place.weight * scale)) }))
}

/** The names that the name itself leads to. */
export function servicesOf(name: string, states: States): readonly string[] {
  const known = states(name)?.known
  return known?.kind === 'services' ? [...new Set(known.services.map((one) => one.name))] : []
}

/** `next`: when it is asked for again, by the wall clock; null while it is being asked for. */
export function viewOf(name: string, states: States, next: number | null): NameView {
  const state = states(name)
  const services = servicesOf(name, states).flatMap((one) => {
    const trouble = states(one)?.trouble
    return trouble ? [`${one}: ${describeTrouble(trouble)} since ${instant(trouble.since)}`] : []
  })
  const trouble = state?.trouble
  return {
    name,
    leads: placesOf(name, states).map(printLocated),
    since: state?.known ? instant(state.since) : null,
    ttl: state?.known?.kind === 'addresses' ? state.ttl : null,
    next: next === null ? null : instant(next),
    server: state?.server ?? '',
    trouble: trouble ? { ...trouble, since: instant(trouble.since) } : null,
    left: [...(state?.left ?? []), ...services],
  }
}

const instant = (at: number) => new Date(at).toISOString()

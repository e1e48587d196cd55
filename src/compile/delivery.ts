/** Where new connections of a forward go -> elements: one place, a pool of several, this machine itself, or nobody. Pure. */
import type { Family } from '../model/address.ts'
import {
  type Delivery,
  deliveryOf,
  type Endpoint,
  endpointKey,
  endpointsOf,
  type Known,
  mostMembers,
} from '../model/endpoints.ts'
import { type Forward, familiesOf } from '../model/forward.ts'
import type { Listen } from '../model/listen.ts'
import { mapPort } from '../model/mapping.ts'
import { eachPort } from '../model/ports.ts'
import { classid, type Element } from './element.ts'
import { setName } from './sets.ts'
import { slotsOf } from './slots.ts'

export function deliveryElements(number: number, forward: Forward, known: Known): Element[] {
  const endpoints = endpointsOf(forward, known)
  return familiesOf(forward).flatMap((family) =>
    elementsFor(number, forward, family, deliveryOf(forward, endpoints, family), known),
  )
}

function elementsFor(
  number: number,
  forward: Forward,
  family: Family,
  delivery: Delivery,
  known: Known,
): Element[] {
  const id = classid(number)
  const { listen } = forward
  switch (delivery.kind) {
    case 'proxy':
      return family === familiesOf(forward)[0] ? entranceElements(id, forward, known) : []
    case 'own':
      return family === familiesOf(forward)[0] ? [{ set: 'own', key: id }] : []
    case 'refuse':
      return [{ set: 'refusing', key: `${id} . ipv${family}` }]
    case 'direct':
      return listen.kind === 'ping'
        ? [{ set: `ping_targets${family}`, key: id, data: delivery.endpoint.address.text }]
        : places(`targets${family}`, id, listen, delivery.endpoint)
    case 'pool':
      return listen.kind === 'ping' ? [] : poolElements(number, forward, listen, family, delivery)
  }
}

/** A forward whose proxy has no port for it yet leads nowhere. */
function entranceElements(id: string, { name, listen }: Forward, { entrances }: Known): Element[] {
  const ports = entrances.get(name)?.ports ?? []
  if (listen.kind === 'ping') return []
  return [...eachPort(listen.ports)].flatMap((port, index) => {
    const local = ports[index]
    if (local === undefined) return []
    return [{ set: 'proxied', key: `${id} . ${port}`, data: `${local}` }]
  })
}

/** One element per port: `dnat to a:lo-hi` would put every port on `lo`, as the kernel takes the first free one. */
function places(
  set: string,
  id: string,
  listen: Listen & { kind: 'ports' },
  { address, ports }: Endpoint,
): Element[] {
  return openingsIn(listen).map(({ opening, port }) => ({
    set,
    key: `${id} . ${opening}`,
    data: `${address.text} . ${mapPort(ports, port, listen)}`,
  }))
}

/** Each protocol and port of an opening: `tcp . 80`. */
export function openingsIn(listen: Listen & { kind: 'ports' }): { opening: string; port: number }[] {
  return listen.protocols.flatMap((protocol) =>
    [...eachPort(listen.ports)].map((port) => ({ opening: `${protocol} . ${port}`, port })),
  )
}

/**
 * The slots say which member, the members where it is: what a range of ports needs is there once for each endpoint, and a
 * change of who takes connections is a change of slots alone.
 */
function poolElements(
  number: number,
  forward: Forward,
  listen: Listen & { kind: 'ports' },
  family: Family,
  pool: Delivery & { kind: 'pool' },
): Element[] {
  const slots = poolSlots(forward, pool)
  const set = setName({ kind: 'pool', family, balance: pickingOf(forward), slots: slots.length })
  return [
    ...pool.endpoints.flatMap((member, index) =>
      places(`members${family}`, classid(memberNumber(number, index)), listen, member),
    ),
    ...slots.map((member, slot) => ({
      set,
      key: `${classid(number)} . ${slot}`,
      data: classid(memberNumber(number, member)),
    })),
  ]
}

function poolSlots({ balance, listen }: Forward, { endpoints, taking }: Delivery & { kind: 'pool' }) {
  const candidates = endpoints.map((endpoint) => ({
    key: endpointKey(endpoint, listen),
    // By client address nobody is moved for a while only.
    weight: balance === 'source' ? endpoint.weight : endpoint.weight * endpoint.quarters,
    taking: taking.includes(endpoint),
  }))
  return slotsOf(balance, candidates)
}

/** The elements that count the connections of each endpoint, as far as it can be given any. */
export function endpointElements(
  number: number,
  forward: Forward,
  known: Known,
): readonly { readonly endpoint: Endpoint; readonly elements: readonly Element[] }[] {
  const { listen } = forward
  const endpoints = endpointsOf(forward, known)
  // A proxy counts by itself.
  if (forward.via) return endpoints.map((endpoint) => ({ endpoint, elements: [] }))
  return familiesOf(forward).flatMap((family) => {
    const delivery = deliveryOf(forward, endpoints, family)
    const all = endpoints.filter(({ address }) => address.family === family)
    return all.map((endpoint, index) => ({
      endpoint,
      elements:
        delivery.kind === 'pool' && listen.kind === 'ports'
          ? places(`members${family}`, classid(memberNumber(number, index)), listen, endpoint)
          : elementsFor(number, forward, family, delivery, known).filter(({ set }) =>
              /targets[46]$/.test(set),
            ),
    }))
  })
}

/** Only a proxy can count connections, and a forward through one has no pool in the kernel. */
function pickingOf({ balance }: Forward): Exclude<Forward['balance'], 'least-connections'> {
  return balance === 'least-connections' ? 'random' : balance
}

function memberNumber(number: number, index: number): number {
  return number * mostMembers + index
}

/** The number of the forward that a member belongs to. */
export function forwardOfMember(member: number): number {
  return Math.floor(member / mostMembers)
}

/** The sets made by need in which a forward's deliveries have elements. */
export function deliverySets(forward: Forward, known: Known): readonly string[] {
  const endpoints = endpointsOf(forward, known)
  return familiesOf(forward).flatMap((family) =>
    setsFor(forward, family, deliveryOf(forward, endpoints, family)),
  )
}

function setsFor(forward: Forward, family: Family, delivery: Delivery): readonly string[] {
  switch (delivery.kind) {
    case 'direct':
      return []
    case 'proxy':
      return ['proxied']
    case 'own':
      return ['own']
    case 'refuse':
      return ['refusing']
    case 'pool': {
      const slots = poolSlots(forward, delivery).length
      return [`members${family}`, setName({ kind: 'pool', family, balance: pickingOf(forward), slots })]
    }
  }
}

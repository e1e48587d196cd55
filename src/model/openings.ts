/** Which forward holds which opening: finds overlaps in the time of the ports asked about, not of the forwards held. */
import type { Address, Family } from './address.ts'
import { type Forward, familiesOf } from './forward.ts'
import { type Listen, type Place, printListen, type Transport } from './listen.ts'
import { eachPort } from './ports.ts'
import { Problem } from './problem.ts'
import { canShare, openingShared, whyNotShared } from './sharing.ts'

/** Who holds one port of one protocol and family, by the place where it listens. */
interface Slot {
  any: Forward | undefined
  readonly at: Map<string, Forward>
  readonly on: Map<string, Forward>
}

interface Meeting {
  /** What both take, in words. */
  readonly shared: string
  readonly holder: Forward
}

/** An index of the openings of many forwards. Disabled forwards hold their opening too, so that enabling cannot fail. */
export class Openings {
  readonly #ports = new Map<number, Slot>()
  readonly #pings = new Map<string, Forward>()
  readonly #addresses = new Map<string, number>()
  /** Forwards that take one opening together, each another server name; the first of them holds it. */
  readonly #shared = new Map<string, readonly Forward[]>()

  /** Throws `listen-taken` when the opening overlaps one that is held, and then holds nothing of it. */
  add(forward: Forward): void {
    const conflict = this.conflict(forward)
    if (conflict) throw conflict
    const mates = this.matesOf(forward)
    const shared = openingShared(forward)
    if (shared !== undefined) this.#shared.set(shared, [...mates, forward])
    if (mates.length > 0) return
    this.#occupy(forward)
  }

  #occupy(forward: Forward): void {
    const { listen } = forward
    if (listen.kind === 'ping') this.#pings.set(listen.address.text, forward)
    else for (const key of portKeys(forward, listen)) occupy(this.#slot(key), listen.place, forward)
    this.#count(listen, 1)
  }

  remove(forward: Forward): void {
    const shared = openingShared(forward)
    const mates = this.matesOf(forward)
    if (shared !== undefined) {
      if (mates.length > 0) this.#shared.set(shared, mates)
      else this.#shared.delete(shared)
    }
    const [heir] = mates
    if (heir && this.#meeting(heir)?.holder.name !== forward.name) return
    this.#leave(forward)
    if (heir) this.#occupy(heir)
  }

  /** The forwards that take the same opening for other server names. */
  matesOf(forward: Forward): readonly Forward[] {
    const shared = openingShared(forward)
    if (shared === undefined) return []
    return (this.#shared.get(shared) ?? []).filter(({ name }) => name !== forward.name)
  }

  #leave({ listen, ...forward }: Forward): void {
    if (listen.kind === 'ping') this.#pings.delete(listen.address.text)
    else {
      for (const key of portKeys(forward, listen)) {
        const slot = this.#slot(key)
        occupy(slot, listen.place, undefined)
        if (!slot.any && slot.at.size + slot.on.size === 0) this.#ports.delete(key)
      }
    }
    this.#count(listen, -1)
  }

  /** The problem that holding this opening would be. */
  conflict(forward: Forward): Problem | undefined {
    const meeting = this.#meeting(forward)
    if (!meeting) return undefined
    const mates = [meeting.holder, ...this.matesOf(meeting.holder)]
    if (canShare(meeting.holder, forward)) {
      const why = mates.flatMap((mate) => whyNotShared(mate, forward) ?? []).at(0)
      return why === undefined ? undefined : Problem.of('not-shared', why)
    }
    return Problem.of('listen-taken', {
      listen: printListen(forward.listen),
      holder: meeting.holder.name,
      shared: `both take ${meeting.shared}`,
    })
  }

  /** A forward that overlaps this opening, if any. */
  holderOf(forward: Forward): Forward | undefined {
    return this.#meeting(forward)?.holder
  }

  /** The forward whose opening is this one to the letter, in either family. */
  exactly(listen: Listen): Forward | undefined {
    const holder = this.#exactHolder(listen)
    return holder && printListen(holder.listen) === printListen(listen) ? holder : undefined
  }

  #exactHolder(listen: Listen): Forward | undefined {
    if (listen.kind === 'ping') return this.#pings.get(listen.address.text)
    const [protocol = 'tcp'] = listen.protocols
    const port = listen.ports[0]?.first ?? 0
    const slots = ([4, 6] as const).flatMap(
      (family) => this.#ports.get(portKey(family, protocol, port)) ?? [],
    )
    return slots.map((slot) => holderAt(slot, listen.place)).find((holder) => holder !== undefined)
  }

  /** The forward that takes packets for this address and port, if any. */
  at({ family, text }: Address, protocol: Transport, port: number): Forward | undefined {
    const slot = this.#ports.get(portKey(family, protocol, port))
    return slot && (slot.any ?? slot.at.get(text) ?? first(slot.on))
  }

  /** All forwards that may take such packets: one, or one for each interface that they could come by. */
  allAt({ family, text }: Address, protocol: Transport, port: number): readonly Forward[] {
    const slot = this.#ports.get(portKey(family, protocol, port))
    if (!slot) return []
    return [slot.any, slot.at.get(text), ...slot.on.values()].flatMap((forward) => forward ?? [])
  }

  /** The forward that takes echo requests to this address, if any. */
  ping({ text }: Address): Forward | undefined {
    return this.#pings.get(text)
  }

  /** Whether a forward listens on this very address: then it is this machine's by declaration. */
  holds({ text }: Address): boolean {
    return this.#addresses.has(text)
  }

  /** Those addresses, with how many forwards listen on each. */
  get addresses(): ReadonlyMap<string, number> {
    return this.#addresses
  }

  #meeting(forward: Forward): Meeting | undefined {
    const { listen } = forward
    if (listen.kind === 'ping') {
      const holder = this.#pings.get(listen.address.text)
      return holder && { holder, shared: `ping of ${listen.address.text}` }
    }
    for (const key of portKeys(forward, listen)) {
      const slot = this.#ports.get(key)
      const holder = slot && holderAt(slot, listen.place)
      if (holder) return { holder, shared: `${portWords(key)}${addressWords(listen.place, holder)}` }
    }
    return undefined
  }

  #slot(key: number): Slot {
    const slot = this.#ports.get(key) ?? { any: undefined, at: new Map(), on: new Map() }
    this.#ports.set(key, slot)
    return slot
  }

  #count(listen: Listen, step: 1 | -1): void {
    if (listen.kind === 'ping' || listen.place.kind !== 'address') return
    const { text } = listen.place.address
    const left = (this.#addresses.get(text) ?? 0) + step
    if (left > 0) this.#addresses.set(text, left)
    else this.#addresses.delete(text)
  }
}

/** An address can be on any interface, so the two kinds of place always meet. */
function holderAt({ any, at, on }: Slot, place: Place): Forward | undefined {
  switch (place.kind) {
    case 'any':
      return any ?? first(at) ?? first(on)
    case 'address':
      return any ?? at.get(place.address.text) ?? first(on)
    case 'interface':
      return any ?? on.get(place.name) ?? first(at)
  }
}

function occupy(slot: Slot, place: Place, forward: Forward | undefined): void {
  if (place.kind === 'any') slot.any = forward
  else {
    const [map, key] = place.kind === 'address' ? [slot.at, place.address.text] : [slot.on, place.name]
    if (forward) map.set(key, forward)
    else map.delete(key)
  }
}

function first(map: ReadonlyMap<string, Forward>): Forward | undefined {
  return map.values().next().value
}

/** Family, protocol and port in one number: 64,000 texts would cost more than everything else here. */
function portKey(family: Family, protocol: Transport, port: number): number {
  return (family === 6 ? 0x20000 : 0) + (protocol === 'udp' ? 0x10000 : 0) + port
}

function portWords(key: number): string {
  return `${key & 0x10000 ? 'udp' : 'tcp'} port ${key & 0xffff} of IPv${key & 0x20000 ? 6 : 4}`
}

function addressWords(place: Place, { listen }: Forward): string {
  const places = listen.kind === 'ping' ? [place] : [place, listen.place]
  const one = places.find(({ kind }) => kind === 'address')
  return one?.kind === 'address' ? ` on ${one.address.text}` : ''
}

function* portKeys(
  { targets, via }: Pick<Forward, 'targets' | 'via'>,
  listen: Listen & { kind: 'ports' },
): Generator<number> {
  const { protocols, ports } = listen
  for (const family of familiesOf({ targets, via, listen })) {
    for (const protocol of protocols) {
      for (const port of eachPort(ports)) yield portKey(family, protocol, port)
    }
  }
}

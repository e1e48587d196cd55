/** Which forward holds which opening: finds overlaps in the time of the ports asked about, not of the forwards held. */
import type { Address } from './address.ts'
import { type Forward, familiesOf } from './forward.ts'
import { type Listen, type Place, printListen } from './listen.ts'
import { eachPort } from './ports.ts'
import { Problem } from './problem.ts'

interface Holder {
  readonly place: Place
  readonly forward: Forward
}

/** An index of the openings of many forwards. Disabled forwards hold their opening too, so that enabling cannot fail. */
export class Openings {
  readonly #holders = new Map<string, readonly Holder[]>()
  readonly #listens = new Map<string, number>()

  /** Throws `listen-taken` when the opening overlaps one that is held, and then holds nothing of it. */
  add(forward: Forward): void {
    const conflict = this.conflict(forward)
    if (conflict) throw conflict
    const holder = { place: placeOf(forward.listen), forward }
    for (const key of keysOf(forward)) {
      const held = this.#holders.get(key)
      this.#holders.set(key, held ? [...held, holder] : [holder])
    }
    this.#count(forward, 1)
  }

  remove(forward: Forward): void {
    for (const key of keysOf(forward)) {
      const left = (this.#holders.get(key) ?? []).filter((holder) => holder.forward.name !== forward.name)
      if (left.length > 0) this.#holders.set(key, left)
      else this.#holders.delete(key)
    }
    this.#count(forward, -1)
  }

  /** The problem that holding this opening would be; a forward of the same name does not count. */
  conflict(forward: Forward): Problem | undefined {
    const meeting = this.#meeting(forward)
    if (!meeting) return undefined
    return Problem.of('listen-taken', {
      listen: printListen(forward.listen),
      holder: meeting.holder.forward.name,
      shared: `both take ${sharedWords(meeting.key, placeOf(forward.listen), meeting.holder.place)}`,
    })
  }

  /** A forward that overlaps this opening, if any. */
  holderOf(forward: Forward): Forward | undefined {
    return this.#meeting({ ...forward, name: '' })?.holder.forward
  }

  #meeting(forward: Forward): { key: string; holder: Holder } | undefined {
    const place = placeOf(forward.listen)
    for (const key of keysOf(forward)) {
      const held = this.#holders.get(key) ?? []
      const holder = held.find((one) => one.forward.name !== forward.name && placesMeet(place, one.place))
      if (holder) return { key, holder }
    }
    return undefined
  }

  /** The forward that takes packets for this address and port, if any. */
  at(address: Address, protocol: 'tcp' | 'udp', port: number): Forward | undefined {
    const held = this.#holders.get(portKey(address.family, protocol, port)) ?? []
    return held.find(({ place }) => place.kind !== 'address' || place.address.text === address.text)?.forward
  }

  /** The forward that takes echo requests to this address, if any. */
  ping(address: Address): Forward | undefined {
    return this.#holders.get(`${address.family}/icmp/${address.text}`)?.[0]?.forward
  }

  /** The listen addresses in use: addresses that are this machine's by declaration. */
  holds(address: Address): boolean {
    return this.#listens.has(address.text)
  }

  #count(forward: Forward, step: 1 | -1): void {
    const place = placeOf(forward.listen)
    if (place.kind !== 'address') return
    const left = (this.#listens.get(place.address.text) ?? 0) + step
    if (left > 0) this.#listens.set(place.address.text, left)
    else this.#listens.delete(place.address.text)
  }
}

function placeOf(listen: Listen): Place {
  return listen.kind === 'ping' ? { kind: 'address', address: listen.address } : listen.place
}

function placesMeet(a: Place, b: Place): boolean {
  if (a.kind === 'address' && b.kind === 'address') return a.address.text === b.address.text
  if (a.kind === 'interface' && b.kind === 'interface') return a.name === b.name
  return true
}

function portKey(family: number, protocol: string, port: number): string {
  return `${family}/${protocol}/${port}`
}

function* keysOf(forward: Forward): Generator<string> {
  const { listen } = forward
  for (const family of familiesOf(forward)) {
    if (listen.kind === 'ping') yield `${family}/icmp/${listen.address.text}`
    else {
      for (const protocol of listen.protocols) {
        for (const port of eachPort(listen.ports)) yield portKey(family, protocol, port)
      }
    }
  }
}

function sharedWords(key: string, a: Place, b: Place): string {
  const [family, protocol, rest] = key.split('/')
  if (protocol === 'icmp') return `ping of ${rest}`
  const place = [a, b].find(({ kind }) => kind === 'address')
  const where = place?.kind === 'address' ? ` on ${place.address.text}` : ''
  return `${protocol} port ${rest} of IPv${family}${where}`
}

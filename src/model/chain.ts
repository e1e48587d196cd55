/** A packet is translated once: a target that is an opening of this gateway again leads nowhere, or in a circle. */
import type { Address } from './address.ts'
import { printDestination } from './destination.ts'
import { type Forward, familiesOf } from './forward.ts'
import type { Listen, Transport } from './listen.ts'
import type { Openings } from './openings.ts'
import { countPorts, eachPort } from './ports.ts'
import { Problem } from './problem.ts'
import { familiesTo, type Target } from './target.ts'

/** Which forwards send to a destination: an address, or what stands for addresses, as it is written. */
export class Targeting {
  readonly #forwards = new Map<string, Set<Forward>>()

  add(forward: Forward): void {
    for (const { destination } of forward.targets) {
      const text = printDestination(destination)
      const held = this.#forwards.get(text)
      if (held) held.add(forward)
      else this.#forwards.set(text, new Set([forward]))
    }
  }

  remove(forward: Forward): void {
    for (const { destination } of forward.targets) {
      const text = printDestination(destination)
      const held = this.#forwards.get(text)
      held?.delete(forward)
      if (held?.size === 0) this.#forwards.delete(text)
    }
  }

  get size(): number {
    return this.#forwards.size
  }

  has(destination: string): boolean {
    return this.#forwards.has(destination)
  }

  addresses(): Iterable<string> {
    return this.#forwards.keys()
  }

  to(destination: string): Iterable<Forward> {
    return this.#forwards.get(destination) ?? []
  }
}

export interface Surroundings {
  readonly openings: Openings
  readonly targeting: Targeting
  /** Addresses of this machine; those that forwards listen on count as well. */
  readonly ours: ReadonlySet<string>
}

/** Throws when the forward leads to an opening, or when another one leads to this one's. All are held already. */
export function refuseChain(forward: Forward, around: Surroundings): void {
  refuseOnward(forward, around)
  const { listen } = forward
  const place = listen.kind === 'ping' ? listen : listen.place
  const addresses = 'address' in place ? [place.address.text] : ownTargets(around)
  for (const address of addresses) {
    for (const other of around.targeting.to(address)) {
      if (other.name !== forward.name) refuseOnward(other, around)
    }
  }
}

/** The addresses of this machine that forwards send to: seldom any. */
function* ownTargets({ openings, targeting, ours }: Surroundings): Generator<string> {
  for (const address of ours) if (targeting.has(address)) yield address
  const [few, many] =
    targeting.size < openings.addresses.size
      ? [targeting.addresses(), openings.addresses]
      : [openings.addresses.keys(), targeting]
  for (const address of few) if (many.has(address) && !ours.has(address)) yield address
}

function refuseOnward(forward: Forward, around: Surroundings): void {
  for (const target of forward.targets) {
    const next = nextHolder(forward, target, around)
    if (!next) continue
    const { words, holder } = next
    if (leadsTo(holder, forward, around)) {
      throw Problem.of('loop', { field: 'to', path: `${forward.name} -> ${words} -> ${holder.name}` })
    }
    throw Problem.of('chained', { field: 'to', target: words, holder: holder.name })
  }
}

interface Next {
  readonly words: string
  readonly holder: Forward
}

/** The forward whose opening the target is, if it is one. */
function nextHolder(forward: Forward, target: Target, { openings, ours }: Surroundings): Next | undefined {
  const { destination } = target
  const { listen } = forward
  // Where a name leads is refused when it is looked up.
  if (destination.kind !== 'address') return undefined
  const { address } = destination
  if (listen.kind === 'ping') {
    const holder = openings.ping(address)
    return holder && { holder, words: `ping of ${address.text}` }
  }
  if (!ours.has(address.text) && !openings.holds(address)) return undefined
  for (const protocol of listen.protocols) {
    for (const port of portsToward(listen, target)) {
      const holder = openings.at(address, protocol, port)
      if (holder) return { holder, words: portWords(address, protocol, port) }
    }
  }
  return undefined
}

function portWords(address: Address, protocol: Transport, port: number): string {
  return `${protocol}/${port} of ${address.text}`
}

function* portsToward(listen: Listen & { kind: 'ports' }, { ports }: Target): Generator<number> {
  if (ports.kind === 'same') yield* eachPort(listen.ports)
  else if (ports.kind === 'all') yield ports.port
  else yield* eachPort([{ first: ports.first, last: ports.first + countPorts(listen.ports) - 1 }])
}

/** Whether one who follows the openings from `from` comes to `end`. */
function leadsTo(from: Forward, end: Forward, around: Surroundings): boolean {
  const seen = new Set<string>()
  const ahead = [from]
  for (let at = ahead.pop(); at; at = ahead.pop()) {
    if (at.name === end.name) return true
    if (seen.has(at.name)) continue
    seen.add(at.name)
    for (const target of at.targets) {
      const next = nextHolder(at, target, around)
      if (next && familiesTo(target, at.listen).some((family) => familiesOf(next.holder).includes(family)))
        ahead.push(next.holder)
    }
  }
  return false
}

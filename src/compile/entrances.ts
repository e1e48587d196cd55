/** Which ports of this machine proxies take up forwards at. The same forwards get the same ports again, as far as they can. */
import type { Entrance } from '../model/endpoints.ts'
import type { Forward } from '../model/forward.ts'
import { countPorts } from '../model/ports.ts'
import { openingShared } from '../model/sharing.ts'
import type { Via } from '../model/via.ts'

/** Above the ports that Linux takes for connections of its own (32768 to 60999), so that none is in the way. */
const entrancePorts = { first: 61000, last: 64999 } as const

/** Numbers of forwards end below it (the agent's protocol). */
const sharedNumbers = 0xff000000

interface Held {
  readonly entrance: Entrance
  /** The names of the forwards that come in here. */
  readonly holders: Set<string>
}

export class Entrances {
  readonly #held = new Map<string, Held>()
  readonly #taken = new Set<number>()
  /** By the forward's name. */
  readonly entrances = new Map<string, Entrance>()
  readonly #keys = new Map<string, string>()

  /** The forward is as given from now on. A change that its proxy takes in place leaves it its ports. */
  enter(forward: Forward, number: number): void {
    const { name, via, listen } = forward
    const before = this.#keys.get(name)
    if (!via || listen.kind === 'ping') {
      this.leave(name)
      return
    }
    const count = countPorts(listen.ports)
    const key = openingShared(forward) ?? `${via.proxy} ${count} ${name}`
    if (before === key) return
    // Taken before the former is given up, so that no port changes its proxy.
    const held = this.#held.get(key) ?? this.#take(key, number, count, via)
    held.holders.add(name)
    this.leave(name)
    this.#keys.set(name, key)
    this.entrances.set(name, held.entrance)
  }

  /** The names of the forwards that have this number together. */
  sharing(number: number): readonly string[] {
    if (number < sharedNumbers) return []
    return [...this.entrances].flatMap(([name, entrance]) => (entrance.number === number ? [name] : []))
  }

  leave(name: string): void {
    const key = this.#keys.get(name)
    const held = key === undefined ? undefined : this.#held.get(key)
    this.#keys.delete(name)
    this.entrances.delete(name)
    held?.holders.delete(name)
    if (!held || key === undefined || held.holders.size > 0) return
    this.#held.delete(key)
    for (const port of held.entrance.ports) this.#taken.delete(port)
  }

  #take(key: string, number: number, count: number, via: Via): Held {
    const ports = Array.from({ length: count }, (_, index) => this.#free(preferred(key, number, index, via)))
    const shared = via.sni !== null
    const held: Held = {
      entrance: { number: shared ? sharedNumbers + (ports[0] ?? 0) : number, ports },
      holders: new Set(),
    }
    this.#held.set(key, held)
    return held
  }

  #free(preferred: number): number {
    const { first, last } = entrancePorts
    const span = last - first + 1
    for (let step = 0; step < span; step += 1) {
      const port = first + ((preferred + step) % span)
      if (this.#taken.has(port)) continue
      this.#taken.add(port)
      return port
    }
    throw new Error(`all ports from ${first} to ${last} are taken by forwards through proxies`)
  }
}

/** Forwards of one port that were made one after the other do not meet, nor do the two proxies of one forward. */
function preferred(key: string, number: number, index: number, { proxy, sni }: Via): number {
  if (sni === null && index === 0) return number * 2 + (proxy === 'nginx' ? 1 : 0)
  return [...`${key} ${index}`].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) >>> 0, 0)
}

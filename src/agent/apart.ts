/** Elements of no forward: interfaces of the outside, families that are shielded, ports of proxies. */
import { type Difference, differenceOf, hold } from '../compile/difference.ts'
import type { Element } from '../compile/element.ts'

type ApartSet = 'outside' | 'shielded' | 'entrances'

export class Apart {
  readonly #keys = new Map<ApartSet, readonly string[]>()

  take(set: ApartSet, keys: readonly string[]): Difference {
    const before = this.elements()
    this.#keys.set(set, keys)
    return differenceOf(hold(before), hold(this.elements()))
  }

  keysOf(set: ApartSet): readonly string[] {
    return this.#keys.get(set) ?? []
  }

  elements(): Element[] {
    return [...this.#keys].flatMap(([set, keys]) => keys.map((key) => ({ set, key })))
  }

  /** The sets that have elements. */
  used(): readonly string[] {
    return [...this.#keys].flatMap(([set, keys]) => (keys.length > 0 ? [set] : []))
  }
}

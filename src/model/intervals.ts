/** Which forwards have a port, found without looking at all of them. */
import type { Forward } from './forward.ts'
import type { PortRange } from './ports.ts'

interface Interval extends PortRange {
  readonly forward: Forward
}

/** Built in the time of sorting the forwards, asked in the time of those that are found. */
export class Intervals {
  /** There is no forward, not even one of ping. */
  readonly isEmpty: boolean
  /** By their first port. */
  readonly #sorted: readonly Interval[]
  /** The greatest last port up to here. */
  readonly #reach: Int32Array

  constructor(forwards: Iterable<Forward>) {
    const intervals: Interval[] = []
    let isEmpty = true
    for (const forward of forwards) {
      isEmpty = false
      if (forward.listen.kind === 'ping') continue
      for (const { first, last } of forward.listen.ports) intervals.push({ first, last, forward })
    }
    this.isEmpty = isEmpty
    this.#sorted = intervals.sort((a, b) => a.first - b.first)
    let reach = -1
    this.#reach = Int32Array.from(this.#sorted, ({ last }) => {
      reach = Math.max(reach, last)
      return reach
    })
  }

  /** The forwards with a port in the range; one that has several ranges there comes as often. */
  *within({ first, last }: PortRange): Generator<Forward> {
    for (let at = this.#after(last) - 1; at >= 0 && (this.#reach[at] ?? -1) >= first; at -= 1) {
      const interval = this.#sorted[at]
      if (interval && interval.last >= first) yield interval.forward
    }
  }

  /** How many intervals begin at `port` or below. */
  #after(port: number): number {
    let [low, high] = [0, this.#sorted.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#sorted[middle]?.first ?? 0) <= port) low = middle + 1
      else high = middle
    }
    return low
  }
}

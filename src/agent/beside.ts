/** What other programs do beside us: their destination NAT, and whether those that filter let our connections through. */
import type { Door } from '../kernel/door.ts'
import type { ForeignChain, NeighbourView } from '../model/foreign.ts'
import { type Mark, printMark } from '../model/gateway.ts'
import type { Others } from '../model/others.ts'
import type { Neighbour } from '../neighbours/neighbour.ts'
import { follower } from './guarding.ts'

export class Beside {
  readonly #door: Door
  readonly #neighbours: readonly Neighbour[]
  /** What other programs' rules are, until the watcher says that they have changed. */
  #others: Promise<Others> | undefined
  #look: (() => void) | undefined
  /** The mark to be let through; null: none; undefined: not known yet, and nothing is changed. */
  #mark: Mark | null | undefined
  #attending: Promise<void> = Promise.resolve()
  /** What was found and done last. */
  seen: readonly NeighbourView[] = []

  constructor(door: Door, neighbours: readonly Neighbour[]) {
    this.#door = door
    this.#neighbours = neighbours
  }

  /** From now on `changed` is called whenever another program has changed its rules. */
  watch(): void {
    this.#look = follower(() => this.#attend().then(() => undefined))
  }

  changed(): void {
    this.#others = undefined
    this.#look?.()
  }

  /** Read when first asked for; what changes while it is read is read again. */
  others(): Promise<Others> {
    const known = this.#others ?? this.#door.others()
    this.#others = this.#look ? known : undefined
    known.catch(() => {
      this.#others = undefined
    })
    return known
  }

  /**
   * Has connections with this mark let through from now on; null: none any more. Resolves when each neighbour has been
   * asked; what one refuses is told in `seen`, as the forward may be meant for when it is gone.
   */
  async letThrough(mark: Mark | null): Promise<void> {
    const same = mark && this.#mark ? printMark(mark) === printMark(this.#mark) : mark === this.#mark
    this.#mark = mark
    if (!same) await this.#attend()
  }

  #attend(): Promise<void> {
    const attended = this.#attending.then(async () => {
      const chains = await this.#door.foreignChains()
      const seen: NeighbourView[] = []
      for (const one of this.#neighbours) seen.push(...(await attend(one, chains, this.#mark)))
      this.seen = seen
    })
    this.#attending = attended.catch(() => {})
    return attended
  }
}

async function attend(
  neighbour: Neighbour,
  chains: readonly ForeignChain[],
  mark: Mark | null | undefined,
): Promise<readonly NeighbourView[]> {
  const { name, place } = neighbour
  const presence = neighbour.see(chains)
  if (!presence) return []
  const through = mark && presence.active && presence.drops !== null ? place : null
  const view = { name, ...presence, through, trouble: '' }
  try {
    if (mark === null) await neighbour.withdraw(chains)
    else if (mark) await neighbour.letThrough(mark, chains)
    return [view]
  } catch (error) {
    return [{ ...view, through: null, trouble: (error as Error).message }]
  }
}

/** What other programs do beside us: their destination NAT, and whether those that filter let our connections through. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Door } from '../kernel/door.ts'
import { blocks, type ForeignChain, type NeighbourView, type Obstacle, printChain } from '../model/foreign.ts'
import { defaultSettings, type Mark, printMark } from '../model/gateway.ts'
import type { Others } from '../model/others.ts'
import type { Neighbour, Presence } from '../neighbours/neighbour.ts'
import { packageVersions } from '../neighbours/reading.ts'
import { savedCopies } from '../neighbours/saved.ts'
import { Admitting } from './admitting.ts'
import { follower } from './guarding.ts'
import type { Holding } from './holding.ts'
import type { Admitted } from './protocol.ts'

/** A change is not answered earlier than neighbours have been asked, unless that takes longer than this. */
const patience = 10_000

export class Beside {
  readonly #door: Door
  readonly #neighbours: readonly Neighbour[]
  readonly #versionOf = packageVersions()
  /** What other programs' rules are, until the watcher says that they have changed. */
  #others: Promise<Others> | undefined
  #look: (() => void) | undefined
  /** What is to be let through; undefined: not known yet, and nothing is changed. */
  #wish: Wish | undefined
  #attending: Promise<void> = Promise.resolve()
  readonly #admitting: Admitting
  #seen: readonly Seen[] = []
  #obstacles: readonly Obstacle[] = []

  constructor(door: Door, neighbours: readonly Neighbour[]) {
    this.#door = door
    this.#neighbours = neighbours
    this.#admitting = new Admitting(door, neighbours)
  }

  /** What was found and done last. */
  get seen(): readonly NeighbourView[] {
    return this.#seen.map((view) => ({ ...view, admits: this.#admitting.admittedBy(view.name) }))
  }

  get obstacles(): readonly Obstacle[] {
    return [...this.#obstacles, ...this.#admitting.obstacles]
  }

  /** From now on `changed` is called whenever another program has changed its rules. */
  watch(): void {
    this.#look = follower(() => this.#attend().then(() => undefined))
    this.#admitting.watch()
  }

  changed(): void {
    this.#others = undefined
    this.#look?.()
    this.#admitting.changed()
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

  /** Asks neighbours for what the forwards need now. Services of this machine are admitted beside it, as that takes long. */
  async follow(held: Pick<Holding, 'register' | 'families' | 'allowances'>): Promise<void> {
    this.#admitting.admit(held.allowances())
    await this.letThrough(held.register.settings.mark, held.families().length > 0)
  }

  /**
   * Has connections with this mark let through from now on, or none but those that drain. Resolves when each neighbour has
   * been asked; what one refuses is told in `seen`, as the forward may be meant for when it is gone.
   */
  async letThrough(mark: Mark, wanted: boolean, draining = true): Promise<void> {
    const before = this.#wish
    this.#wish = { mark, wanted, draining }
    const same = before?.wanted === wanted && printMark(before.mark) === printMark(mark) && draining
    // The change that it goes with is in force already: what cannot be read now must not make that look refused.
    if (!same) await this.#attend().catch(() => this.#look?.())
  }

  /** What stands against services that are to be admitted, when neighbours have been asked, or as far as they have. */
  async admitted(): Promise<Admitted> {
    const settled = this.#admitting.settled().then(() => true)
    const over = await Promise.race([settled, sleep(patience, false, { ref: false })])
    return { over, obstacles: this.#admitting.obstacles }
  }

  /** From now on nothing is let through or admitted. */
  async withdraw(): Promise<void> {
    await this.letThrough(this.#wish?.mark ?? defaultSettings.mark, false, false)
    await this.#admitting.withdraw()
  }

  /**
   * Docker's chains accept what is established for its own networks only, so our rule has to stay until the last connection
   * that was let go on has ended; the look that comes anyway takes it back then.
   */
  async #isWanted({ mark, wanted, draining }: Wish): Promise<boolean> {
    if (wanted || !draining) return wanted
    return (await this.#door.flows(mark)).some(({ protocol, over }) => protocol === 'tcp' && !over)
  }

  #attend(): Promise<void> {
    const attended = this.#attending.then(async () => {
      const asked = this.#wish
      const wish = asked && { ...asked, wanted: await this.#isWanted(asked) }
      const chains = await this.#door.foreignChains()
      const present = this.#neighbours.flatMap((neighbour) => {
        const presence = neighbour.see(chains, this.#versionOf)
        return presence ? [{ neighbour, presence }] : []
      })
      const seen: Seen[] = []
      for (const one of present) seen.push(await attend(one, chains, wish))
      this.#seen = seen
      const excused = present.filter((_, at) => !wish?.wanted || seen[at]?.trouble !== '')
      const known = excused.flatMap(({ presence }) => presence.chains)
      const now = wish?.wanted ? await this.#door.foreignChains() : chains
      const bridges = (await this.#door.bridges()).map((bridge) => ({ kind: 'bridge', bridge }) as const)
      const chainsThere = wish ? obstaclesAmong(now, known, wish.mark) : []
      this.#obstacles = [...chainsThere, ...bridges, ...savedCopies()]
    })
    this.#attending = attended.catch(() => {})
    return attended
  }
}

interface Wish {
  readonly mark: Mark
  /** There are forwards. */
  readonly wanted: boolean
  /** While there are none, connections of former ones may go on. */
  readonly draining: boolean
}

type Seen = Omit<NeighbourView, 'admits'>

interface Present {
  readonly neighbour: Neighbour
  readonly presence: Presence
}

async function attend(
  { neighbour, presence }: Present,
  chains: readonly ForeignChain[],
  wish: Wish | undefined,
): Promise<Seen> {
  const { version, active, drops, note } = presence
  const through = wish?.wanted && active && drops !== null ? neighbour.place : null
  const view = { name: neighbour.name, version, active, drops, through, trouble: '', note }
  try {
    if (wish?.wanted) await neighbour.letThrough(wish.mark, chains)
    else if (wish) await neighbour.withdraw(chains)
    return view
  } catch (error) {
    return { ...view, through: null, trouble: (error as Error).message }
  }
}

/** Chains that drop our connections, but for those of neighbours that have not been asked, or have said why not. */
function obstaclesAmong(
  chains: readonly ForeignChain[],
  known: readonly ForeignChain[],
  mark: Mark,
): Obstacle[] {
  const isKnown = (chain: ForeignChain) => known.some((one) => printChain(one) === printChain(chain))
  return chains
    .filter((chain) => blocks(chain, mark) && !isKnown(chain))
    .map((chain) => ({ kind: 'chain', chain, mark }))
}

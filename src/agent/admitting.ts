/** Has the firewalls of this machine admit the services that are opened here, beside the changes: a rule of theirs takes long. */
import { isDeepStrictEqual } from 'node:util'
import type { Door } from '../kernel/door.ts'
import { type Allowance, shareOf, type Unadmitted } from '../model/allowance.ts'
import type { ForeignChain, Obstacle } from '../model/foreign.ts'
import type { Gate, Neighbour } from '../neighbours/neighbour.ts'
import { follower, type Rhythm } from './guarding.ts'

/** What became of it at one neighbour. */
interface Attended {
  readonly neighbour: string
  /** How our rules in it are told from others; null: there are none. */
  readonly admits: string | null
  readonly obstacles: readonly Obstacle[]
}

/** A look reads two files of ufw, or starts firewall-cmd three times; one that finds something to do takes longer. */
const rhythm: Rhythm = { every: 1000, share: 5, longest: 3000, anyway: 60_000 }

export class Admitting {
  readonly #door: Pick<Door, 'foreignChains'>
  readonly #neighbours: readonly Neighbour[]
  /** Undefined: not known yet, and nothing is changed. */
  #wish: readonly Allowance[] | undefined
  #attending: Promise<void> = Promise.resolve()
  #look: (() => void) | undefined
  #seen: readonly Attended[] = []

  constructor(door: Pick<Door, 'foreignChains'>, neighbours: readonly Neighbour[]) {
    this.#door = door
    this.#neighbours = neighbours
  }

  /** From now on `changed` is called whenever another program has changed its rules. */
  watch(): void {
    this.#look = follower(() => this.#attend().then(() => undefined), rhythm)
  }

  changed(): void {
    this.#look?.()
  }

  /** Has these admitted from now on, and nothing else of ours. Returns at once. */
  admit(wanted: readonly Allowance[]): void {
    const same = isDeepStrictEqual(this.#wish, wanted)
    this.#wish = wanted
    // What cannot be read now is looked at again.
    if (!same) this.#attend().catch(() => this.#look?.())
  }

  /** Resolves when the neighbours have been asked for what is wanted now. */
  settled(): Promise<void> {
    return this.#attending
  }

  /** From now on nothing is admitted. Resolves when that is so, or cannot be. */
  async withdraw(): Promise<void> {
    this.admit([])
    await this.#attending
  }

  get obstacles(): readonly Obstacle[] {
    return this.#seen.flatMap(({ obstacles }) => obstacles)
  }

  /** How a neighbour admits what is opened here; null: it does not, or need not. */
  admittedBy(neighbour: string): string | null {
    return this.#seen.find((one) => one.neighbour === neighbour)?.admits ?? null
  }

  #attend(): Promise<void> {
    const attended = this.#attending.then(async () => {
      const wish = this.#wish
      if (!wish) return
      const chains = await this.#door.foreignChains()
      const seen: Attended[] = []
      for (const { name, gate } of this.#neighbours) if (gate) seen.push(await ask(name, gate, wish, chains))
      this.#seen = seen
    })
    this.#attending = attended.catch(() => {})
    return attended
  }
}

async function ask(
  neighbour: string,
  gate: Gate,
  wish: readonly Allowance[],
  chains: readonly ForeignChain[],
): Promise<Attended> {
  const { allowances, unadmitted } = shareOf(wish)
  const isActive = gate.isActive(chains)
  const all = wish.length === 0 || !isActive ? [] : unadmitted
  try {
    const refused = await gate.admit(allowances, chains)
    const admits = isActive && allowances.length > 0 ? gate.place : null
    return { neighbour, admits, obstacles: [...all, ...refused].map((one) => obstacle(neighbour, one)) }
  } catch (error) {
    const why = (error as Error).message
    return { neighbour, admits: null, obstacles: [obstacle(neighbour, { forward: null, why })] }
  }
}

function obstacle(
  neighbour: string,
  { forward, why }: Unadmitted | { readonly forward: null; readonly why: string },
): Obstacle {
  return { kind: 'unadmitted', neighbour, forward, why }
}

/** Makes the table in the kernel hold what is meant: the static part by libnftables, the elements by netlink. */
import {
  type Difference,
  differenceOf,
  type Held,
  hold,
  isNothing,
  printDifference,
} from '../compile/difference.ts'
import type { Element } from '../compile/element.ts'
import { layoutOf, readSetName, staticSets } from '../compile/sets.ts'
import { type Leftovers, noLeftovers, printSkeleton, type Skeleton, skeletonOf } from '../compile/skeleton.ts'
import { reach } from '../faults.ts'
import type { Door } from '../kernel/door.ts'
import { Problem } from '../model/problem.ts'
import type { Holding } from './holding.ts'
import type { SkeletonRecord } from './record.ts'
import type { Uncounted } from './uncounted.ts'

/** Refusals that say nothing about the table: memory, buffers, privilege, time (errno(3) in the words of strerror). */
const passing =
  /Cannot allocate memory|No buffer space|Message too long|Operation not permitted|Interrupted|temporarily|timed out|No space left|Too many open files/

export class Keeper {
  readonly #door: Door
  readonly #record: SkeletonRecord
  readonly #uncounted: Uncounted
  /** The text of the static part that the kernel is known to have; '' when nothing is known. */
  #skeleton = ''

  constructor(door: Door, record: SkeletonRecord, uncounted: Uncounted) {
    this.#door = door
    this.#record = record
    this.#uncounted = uncounted
  }

  /** The static part as text of nft, as it was loaded last. */
  get skeleton(): string {
    return this.#skeleton
  }

  /** The static part for the next boot, which begins without bans. */
  lasting(holding: Holding): string {
    const used = holding.used().filter((name) => readSetName(name)?.kind !== 'banned')
    return printSkeleton(skeletonFor(holding, used))
  }

  /** Brings the kernel from whatever it holds to `holding`. True when something had to be written. */
  async become(holding: Holding): Promise<boolean> {
    const skeleton = skeletonFor(holding, holding.used())
    const sets = compared(skeleton)
    this.#skeleton = ''
    const loaded = await this.#load(holding, skeleton, await this.#leftovers(skeleton))
    const present = await this.#door.read(sets)
    const strays = await this.#strayPairs()
    const { remove, add } = differenceTo(holding.elements(), present)
    const difference = { remove: [...remove, ...strays], add }
    if (isNothing(difference)) return loaded
    await this.#commit(difference)
    return true
  }

  /** Writes a difference, with the sets it needs made before and those it leaves empty removed after. */
  async write(holding: Holding, difference: Difference): Promise<void> {
    const used = holding.used()
    const leaving = difference.remove
      .map(({ set }) => set)
      .filter((set) => readSetName(set) && !used.includes(set))
    const wide = skeletonFor(holding, [...new Set([...used, ...leaving])])
    await this.#load(holding, wide, noLeftovers)
    if (isNothing(difference)) return
    await this.#commit(difference)
    const narrow = skeletonFor(holding, used)
    await this.#load(holding, narrow, leftOf(wide, narrow))
  }

  /** Adds elements while what `before` needed is still in use: its sets keep their rules. */
  async widen(holding: Holding, before: readonly string[], difference: Difference): Promise<void> {
    if (isNothing(difference)) return
    const used = new Set([...before, ...holding.used()])
    await this.#load(holding, skeletonFor(holding, [...used]), noLeftovers)
    await this.#commit(difference)
  }

  /** Whether the kernel holds any opening of ours. */
  async forwards(): Promise<boolean> {
    const openings = Object.keys(staticSets).filter((set) => /^(openings|pings)/.test(set))
    return [...(await this.#door.read(openings)).values()].some(({ size }) => size > 0)
  }

  /** Removes the table. */
  async clear(): Promise<void> {
    await this.#door.runNft('add table inet drawbridge\ndelete table inet drawbridge\n')
    this.#record.forget()
    this.#skeleton = ''
  }

  /** One transaction, read back. */
  async #commit(difference: Difference): Promise<void> {
    reach('elements-writing')
    const missing = await this.#door.write(difference).catch((error: Error) => {
      // Somebody has taken away what was loaded a moment ago.
      if (error.message.endsWith('(ENOENT)'))
        throw Problem.of('kernel-differs', { what: error.message }, error)
      throw Problem.of('kernel-refused', { words: error.message }, error)
    })
    reach('elements-written')
    this.#uncounted.forget([...difference.remove, ...difference.add])
    refuseMissing(missing)
  }

  /** Loads the static part unless the kernel already has it, as its fingerprint tells. True when it was loaded. */
  async #load(holding: Holding, skeleton: Skeleton, leftovers: Leftovers): Promise<boolean> {
    const wanted = printSkeleton(skeleton)
    if (this.#skeleton === wanted) return false
    const nothingLeft = leftovers.sets.length + leftovers.chains.length === 0
    if (
      this.#skeleton === '' &&
      nothingLeft &&
      this.#record.matches(wanted, await this.#door.fingerprint())
    ) {
      this.#skeleton = wanted
      return false
    }
    reach('skeleton-loading')
    await this.#runNft(holding, printSkeleton(skeleton, leftovers), wanted)
    reach('skeleton-loaded')
    this.#skeleton = wanted
    this.#record.keep(wanted, await this.#door.fingerprint())
    reach('skeleton-known')
    return true
  }

  /**
   * What is in the table can stand in the way: sets of another version under our names, or a chain that somebody else's
   * map jumps to. Then it is made anew, in one transaction; what it has counted and metered starts anew with it.
   */
  async #runNft(holding: Holding, text: string, wanted: string): Promise<void> {
    const refused = (error: Error) => {
      throw Problem.of('kernel-refused', { words: error.message }, error)
    }
    await this.#door.runNft(text).catch((error: Error) => {
      if (passing.test(error.message)) return refused(error)
      const elements = printDifference({ remove: [], add: holding.elements() })
      const anew = `add table inet drawbridge\ndelete table inet drawbridge\n${wanted}${elements}`
      return this.#door.runNft(anew).catch(refused)
    })
  }

  /** Sets that no forward needs any more, and sets and chains that somebody else has put into our table. */
  async #leftovers({ sets, chains }: Skeleton): Promise<Leftovers> {
    const [wantedSets, wantedChains] = [new Set(sets), new Set(chains.map(({ name }) => name))]
    const presentSets = await this.#door.setNames()
    const presentChains = await this.#door.chainNames()
    return {
      sets: presentSets.filter((set) => !wantedSets.has(set) && !isAnonymous(set)),
      chains: presentChains.filter((chain) => !wantedChains.has(chain)),
    }
  }

  /** Packets put pairs of one interface into @hairpin; a pair of two was put there by somebody else. */
  async #strayPairs(): Promise<Element[]> {
    const pairs = (await this.#door.read(['hairpin'])).get('hairpin') ?? new Map<string, string>()
    const strays = [...pairs.keys()].filter((key) => new Set(key.split(' . ')).size > 1)
    return strays.map((key) => ({ set: 'hairpin', key }))
  }
}

/** After a flush nothing is there to compare with, and nobody should wait for it. */
function differenceTo(wanted: readonly Element[], present: Held): Difference {
  const nothing = [...present.values()].every((set) => set.size === 0)
  return nothing ? { remove: [], add: wanted } : differenceOf(present, hold(wanted))
}

/** What is in `before` and not in `after`. */
function leftOf(before: Skeleton, after: Skeleton): Leftovers {
  const kept = new Set(after.chains.map(({ name }) => name))
  return {
    sets: before.sets.filter((set) => !after.sets.includes(set)),
    chains: before.chains.map(({ name }) => name).filter((name) => !kept.has(name)),
  }
}

/** The static part that this needs. */
export function skeletonFor(holding: Holding, used: readonly string[]): Skeleton {
  return skeletonOf({ mark: holding.register.settings.mark, used })
}

/** Sets whose elements are ours to compare; packets fill the others. */
function compared({ sets }: Skeleton): string[] {
  return sets.filter((set) => !layoutOf(set).dynamic)
}

/** A set without a name, such as `{ tcp, udp }`, belongs to its rule; the kernel calls it `__set0`. */
function isAnonymous(name: string): boolean {
  return name.startsWith('__')
}

function refuseMissing(missing: readonly Element[]): void {
  const [one] = missing
  if (!one) return
  const what = `${missing.length} elements are missing, such as ${one.set} { ${one.key} }`
  throw Problem.of('kernel-differs', { what })
}

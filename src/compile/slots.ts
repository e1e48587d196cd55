/**
 * How new connections are shared among the endpoints of a pool: a number of slots, of which the kernel picks one by a random
 * number, a counter or a hash of the client's address. What is in the slots follows from weights alone. Pure.
 */
import type { Balance } from '../model/forward.ts'

/** One that may be in a slot. `key` is what it is known by as long as it is in the pool. */
export interface Candidate {
  readonly key: string
  readonly weight: number
  /** It takes new connections. */
  readonly taking: boolean
}

/**
 * Weights are kept exactly where so many slots are enough, and to the nearest of more slots beyond. Each number of slots in
 * use is one rule that a new connection may have to walk past, so there must not be many of them.
 */
const mostExact = 64
const manySlots = 1024

/** Primes, as Maglev needs; the larger one where there are too many for an even share of the smaller. */
const hashSlots = { few: 251, many: 1021 } as const
const few = 25

/** The index of the candidate in each slot. At least one of them takes connections. */
export function slotsOf(balance: Balance, candidates: readonly Candidate[]): readonly number[] {
  if (balance === 'source') return hashed(candidates)
  const shares = sharesOf(candidates.map(({ weight, taking }) => (taking ? weight : 0)))
  return balance === 'random' ? shares.flatMap((share, at) => Array<number>(share).fill(at)) : spread(shares)
}

/** How many slots each gets: its weight in lowest terms. */
function sharesOf(weights: readonly number[]): readonly number[] {
  const divisor = weights.reduce(commonDivisor, 0)
  const lowest = weights.map((weight) => weight / divisor)
  const total = lowest.reduce((sum, share) => sum + share, 0)
  return total <= mostExact ? lowest : nearest(lowest, total)
}

/** Together exactly `manySlots`, the largest remainders rounded up; nobody who has a weight has none. */
function nearest(shares: readonly number[], total: number): readonly number[] {
  const ideal = shares.map((share) => (share * manySlots) / total)
  const given = ideal.map((one) => (one === 0 ? 0 : Math.max(1, Math.floor(one))))
  let left = manySlots - given.reduce((sum, one) => sum + one, 0)
  for (const step = Math.sign(left); left !== 0; left -= step) {
    const wanting = ideal.map((one, at) => (one - (given[at] ?? 0)) * step)
    const next = wanting.indexOf(Math.max(...wanting))
    given[next] = (given[next] ?? 0) + step
  }
  return given
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b)
}

/** In turn, the heavier ones not in a row: each round the one that is furthest behind its share (nginx's smooth weighting). */
function spread(shares: readonly number[]): readonly number[] {
  const total = shares.reduce((sum, share) => sum + share, 0)
  const credit = shares.map(() => 0)
  return Array.from({ length: total }, () => {
    shares.forEach((share, at) => {
      credit[at] = (credit[at] ?? 0) + share
    })
    const chosen = credit.indexOf(Math.max(...credit))
    credit[chosen] = (credit[chosen] ?? 0) - total
    return chosen
  })
}

/**
 * The table of Maglev (Eisenbud et al., NSDI 2016) over all candidates, so that each has its share to within a slot or so. The
 * slots of those that take nothing now go to others by highest random weight: nobody else's slots change, and they get
 * their own back when they return.
 */
function hashed(candidates: readonly Candidate[]): readonly number[] {
  const size = candidates.length > few ? hashSlots.many : hashSlots.few
  const owners = maglev(candidates, size)
  return owners.map((owner, slot) => (candidates[owner]?.taking ? owner : heirOf(slot, candidates)))
}

function maglev(candidates: readonly Candidate[], size: number): readonly number[] {
  const owners = Array<number>(size).fill(-1)
  const heaviest = Math.max(...candidates.map(({ weight }) => weight))
  const walkers = candidates.map(({ key, weight }) => ({
    offset: hash(`offset ${key}`) % size,
    skip: (hash(`skip ${key}`) % (size - 1)) + 1,
    next: 0,
    weight,
    credit: 0,
  }))
  for (let left = size; left > 0; ) {
    for (const [index, walker] of walkers.entries()) {
      walker.credit += walker.weight
      if (walker.credit < heaviest || left === 0) continue
      walker.credit -= heaviest
      let slot: number
      do {
        slot = (walker.offset + walker.next * walker.skip) % size
        walker.next += 1
      } while (owners[slot] !== -1)
      owners[slot] = index
      left -= 1
    }
  }
  return owners
}

function heirOf(slot: number, candidates: readonly Candidate[]): number {
  const scores = candidates.map(({ key, weight, taking }) =>
    taking ? -weight / Math.log((hash(`heir ${slot} ${key}`) + 0.5) / 0x1_0000_0000) : -1,
  )
  return scores.indexOf(Math.max(...scores))
}

/** FNV-1a with the finish of MurmurHash3, which spreads keys that differ in one digit. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const char of text) value = Math.imul(value ^ char.charCodeAt(0), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

/** How much a test does: a sample in `npm test`, all of it in `npm run test:long`; and by which seed. */

const long = process.env.DRAWBRIDGE_LONG === '1'

export function amount(sample: number, all: number): number {
  return long ? all : sample
}

/** DRAWBRIDGE_SEED repeats a run; otherwise each long run is another, and the sample always the same. */
export const seed = Number(process.env.DRAWBRIDGE_SEED ?? (long ? Date.now() % 2 ** 31 : 20261124))

/** Numbers below `below` that follow from the seed alone. (Lehmer, "minimal standard": Park and Miller, 1988.) */
export function randomly(): (below: number) => number {
  let state = (seed % 2147483646) + 1
  return (below) => {
    state = (state * 48271) % 2147483647
    return state % below
  }
}

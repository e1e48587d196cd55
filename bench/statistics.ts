/** Medians and how far they can be trusted. Pure: the same numbers give the same interval. */

export interface Estimate {
  readonly median: number
  /** 95 % confidence interval of the median, by bootstrap. */
  readonly low: number
  readonly high: number
}

const resamples = 2000

export function estimate(values: readonly number[]): Estimate {
  const random = generator(values.length + 1)
  const medians = Array.from({ length: resamples }, () =>
    median(values.map(() => values[Math.floor(random() * values.length)] ?? 0)),
  ).sort((a, b) => a - b)
  const at = (share: number) => medians[Math.floor(share * (resamples - 1))] ?? Number.NaN
  return { median: median(values), low: at(0.025), high: at(0.975) }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** `a[i] / b[i]`: ratios are taken within a round, where both met the same machine. */
export function ratios(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, index) => value / (b[index] ?? Number.NaN))
}

/** Numbers in [0, 1), always the same ones for a seed. Source: Park and Miller's minimal standard generator. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48271) % 0x7fffffff
    return state / 0x7fffffff
  }
}

/** When targets are checked. Pure. */
import type { Health } from '../../model/health.ts'

/** Targets that came at the same moment drift apart by this share of their rest. */
const jitter = 0.05

/**
 * Milliseconds from the beginning of a check to that of the next one. A target that dies right after a good check, without
 * a word, fails the last of its `fall` checks one `timeout` after that has begun; so that this is still within `every`
 * times `fall`, each begins a share of the timeout earlier. `chance` is from 0 to 1; it only ever shortens the rest.
 */
export function restOf(
  { every, timeout, fall }: Pick<Health, 'every' | 'timeout' | 'fall'>,
  chance: number,
): number {
  return (every - timeout / fall) * (1 - jitter * chance)
}

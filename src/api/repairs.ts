/** What keeps the table from being as it should. */
import { Problem } from '../model/problem.ts'
import type { Repairs } from './shapes.ts'

/** `before`: so many repairs were made when one began to look; more are a fight as well. */
export function besieged({ count, last, fighting, refused }: Repairs, before = count): Problem | undefined {
  if (refused) return Problem.of('repair-refused', { words: refused })
  if (!fighting && count <= before) return undefined
  return Problem.of('fought-over', { count, by: last ? `${last.by} (process ${last.pid})` : 'unknown' })
}

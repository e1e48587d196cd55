/** One structured line for each change, for the journal or wherever standard output goes. */
import type { BeforeAfter, Recorded } from './store/store.ts'

/** A change of 64,000 forwards is told by its first names and how many there are. */
const mostNames = 20

export function journalLine({ generation, at, actor, how, note, hash, forwards, lists }: Recorded): string {
  const change = { generation, at, actor, how, note, hash, forwards: verbs(forwards), lists: verbs(lists) }
  return `${JSON.stringify({ drawbridge: change })}\n`
}

function verbs(
  sides: Readonly<Record<string, BeforeAfter<unknown>>>,
): Record<string, readonly string[] | number> {
  const names = Object.keys(sides)
  const named = names.slice(0, mostNames).map((name) => `${verbOf(sides[name])} ${name}`)
  return { count: names.length, first: named }
}

function verbOf(side: BeforeAfter<unknown> | undefined): string {
  if (side?.before === null) return 'added'
  return side?.after === null ? 'removed' : 'changed'
}

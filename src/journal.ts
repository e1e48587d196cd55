/** One line for each change on standard output: structured for a journal, in words for a person who watches. */
import type { BeforeAfter, Recorded } from './store/store.ts'

/** A change of 64,000 forwards is told by its first names and how many there are. */
const mostNames = 20

export function journalLine({ generation, at, actor, how, note, hash, forwards, lists }: Recorded): string {
  const change = { generation, at, actor, how, note, hash, forwards: verbs(forwards), lists: verbs(lists) }
  return `${JSON.stringify({ drawbridge: change })}\n`
}

/** `drawbridge: generation 7 by root: added web, removed list office` */
export function spokenLine({ generation, actor, how, forwards, lists }: Recorded): string {
  const [forwardVerbs, listVerbs] = [verbs(forwards), verbs(lists)]
  const told = [...forwardVerbs.first, ...listVerbs.first.map((words) => words.replace(' ', ' list '))]
  const rest = forwardVerbs.count + listVerbs.count - told.length
  const what = [...told, ...(rest > 0 ? [`${rest} more`] : [])].join(', ') || 'changed settings'
  return `drawbridge: generation ${generation} by ${how === 'cli' ? actor : how}: ${what}\n`
}

interface Verbs {
  readonly count: number
  readonly first: readonly string[]
}

function verbs(sides: Readonly<Record<string, BeforeAfter<unknown>>>): Verbs {
  const names = Object.keys(sides)
  return {
    count: names.length,
    first: names.slice(0, mostNames).map((name) => `${verbOf(sides[name])} ${name}`),
  }
}

function verbOf(side: BeforeAfter<unknown> | undefined): string {
  if (side?.before === null) return 'added'
  return side?.after === null ? 'removed' : 'changed'
}

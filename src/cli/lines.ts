/** A plan, and any difference, as lines for people. */
import type { PendingView, PlanLine } from '../api/shapes.ts'
import { plain } from './text.ts'

export type Tense = Readonly<Record<PlanLine['verb'], string>>

export const past: Tense = { add: 'added', change: 'changed', remove: 'removed' }
export const future: Tense = { add: 'would add', change: 'would change', remove: 'would remove' }
export const infinitive: Tense = { add: 'add', change: 'change', remove: 'remove' }

export function changeLines(lines: readonly PlanLine[], tense: Tense): readonly string[] {
  return lines.flatMap((line) => [
    `${tense[line.verb]} ${subjectOf(line)}: ${plain(line.sentence)}`,
    ...(line.before === undefined ? [] : [`  before: ${plain(line.before)}`]),
  ])
}

export function subjectOf({ what, name }: PlanLine): string {
  return what === 'list' ? `list ${name}` : name
}

/** What is to be done so that a change on trial stays. */
export function pendingLines(pending: PendingView | null): readonly string[] {
  if (!pending) return []
  const { base, deadline } = pending
  return [`not kept yet: generation ${base} returns at ${deadline}, unless you say: drawbridge confirm`]
}

/** A plan, and any difference, as lines for people. */
import type { Changed, FlowEffect, PendingView, Plan, PlanLine } from '../api/shapes.ts'
import { type Bans, describeBan, describeBans } from '../model/bans.ts'
import { describeName, type NameView } from '../model/naming.ts'
import { counted, plain } from './text.ts'

export type Tense = Readonly<Record<PlanLine['verb'], string>>

export const past: Tense = { add: 'added', change: 'changed', remove: 'removed' }
const future: Tense = { add: 'would add', change: 'would change', remove: 'would remove' }
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

/** That the answer to a change left lines out. */
function moreLines({ more }: Plan): readonly string[] {
  return more > 0 ? [`and ${more} more`] : []
}

/** What a plan would change, what that would do, and how to make exactly this change. */
export function planLines(plan: Plan): readonly string[] {
  const { lines, based } = plan
  if (lines.length === 0) return [`already so: nothing differs from generation ${based}`]
  return [
    ...changeLines(lines, future),
    ...nameLines(plan.names),
    ...flowLines(plan),
    ...plan.confirm.map((reason) => `needs --confirm: ${plain(reason)}`),
    `on generation ${based}; to make this change and no other, add --based ${based}`,
  ]
}

/** Where names lead. */
export function nameLines(names: readonly NameView[]): readonly string[] {
  return names.map((name) => plain(describeName(name)))
}

const fates = {
  break: () => 'would break',
  move: () => 'would move to the new target',
  drain: (count: number) => `would go on to the old target until ${count === 1 ? 'it ends' : 'they end'}`,
} as const

function flowLines({ flows }: Plan): readonly string[] {
  if (flows === null) return ['live connections: not known, as the kernel is not in step']
  if (flows.length === 0) return ['live connections: none is touched']
  return flows.map((effect) => {
    const whose = effect.forward === '' ? '' : ` of ${effect.forward}`
    const count = counted(effect.flows, 'live connection')
    return `${count}${whose} ${fates[effect.fate](effect.flows)}: ${networkWords(effect)}`
  })
}

function networkWords({ networks, more }: FlowEffect): string {
  const words = networks.map(({ network, flows }) => `${flows} from ${network}`)
  return [...words, ...(more > 0 ? [`and ${counted(more, 'more network')}`] : [])].join(', ')
}

/** What is to be done so that a change on trial stays. */
export function pendingLines(pending: PendingView | null): readonly string[] {
  if (!pending) return []
  const { base, deadline, new_session } = pending
  const where = new_session ? ' in a new SSH session' : ''
  return [
    `not kept yet: generation ${base} returns at ${deadline}, unless you say${where}: drawbridge confirm`,
  ]
}

/** How many are banned and by whom, then the newest. */
export function banLines(bans: Bans): readonly string[] {
  const more = bans.count - new Set(bans.newest.map(({ address }) => address)).size
  if (bans.count === 0) return []
  return [
    `banned: ${describeBans(bans)}`,
    ...bans.newest.map((ban) => `  ${plain(describeBan(ban))}`),
    ...(more > 0 ? [`  and ${counted(more, 'more address', 'more addresses')}`] : []),
  ]
}

const mostReached = 5

/** What a change that was made has come to: where its names lead, which targets answer, what probes have shown. */
export function outcomeLines({ plan, reached, proven, pending }: Changed): readonly string[] {
  const more = reached.length - mostReached
  return [
    ...moreLines(plan),
    ...nameLines(plan.names),
    ...reached.slice(0, mostReached).map(plain),
    ...(more > 0 ? [`and ${counted(more, 'more target')}`] : []),
    ...proven.map(plain),
    ...pendingLines(pending),
  ]
}

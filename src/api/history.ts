/** The past in the operator's words. Pure. */
import { describeForward, parseForward } from '../model/forward.ts'
import { describeSources, parseSources } from '../model/sources.ts'
import type { BeforeAfter, Recorded } from '../store/store.ts'
import type { HistoryEntry, PlanLine } from './shapes.ts'

/** A change of 64,000 forwards is told by its first lines and how many more there are. */
const mostLines = 20

export function historyEntry(record: Recorded): HistoryEntry {
  const { forwards, lists, settings, ...deed } = record
  const lines = recordLines({ forwards, lists, settings })
  return {
    ...deed,
    lines: lines.slice(0, mostLines),
    more: Math.max(0, lines.length - mostLines),
  }
}

/** What is different after these changes, taken together, from what was before them; `backwards`: the other way round. */
export function linesBetween(history: readonly Recorded[], backwards: boolean): readonly PlanLine[] {
  const oldestFirst = [...history].sort((a, b) => a.generation - b.generation)
  const [first, last] = [oldestFirst[0], oldestFirst.at(-1)]
  if (!first || !last) return []
  const turn = <D>(sides: Record<string, BeforeAfter<D>>) => (backwards ? turned(sides) : sides)
  return recordLines({
    forwards: turn(joined(oldestFirst.map(({ forwards }) => forwards))),
    lists: turn(joined(oldestFirst.map(({ lists }) => lists))),
    settings:
      turn({ settings: { before: first.settings.before, after: last.settings.after } }).settings ??
      last.settings,
  })
}

function turned<D>(sides: Record<string, BeforeAfter<D>>): Record<string, BeforeAfter<D>> {
  return Object.fromEntries(
    Object.entries(sides).map(([name, { before, after }]) => [name, { before: after, after: before }]),
  )
}

function joined<D>(
  entries: readonly Readonly<Record<string, BeforeAfter<D>>>[],
): Record<string, BeforeAfter<D>> {
  const found = new Map<string, BeforeAfter<D>>()
  for (const entry of entries) {
    for (const [name, { before, after }] of Object.entries(entry)) {
      found.set(name, { before: found.has(name) ? (found.get(name)?.before ?? null) : before, after })
    }
  }
  return Object.fromEntries(found)
}

function recordLines({
  forwards,
  lists,
  settings,
}: Pick<Recorded, 'forwards' | 'lists' | 'settings'>): readonly PlanLine[] {
  return [
    ...sideLines(
      'settings',
      { settings },
      ({ privileged, mark, locked }) =>
        `${locked ? 'every forward kept shut, ' : ''}privileged ${privileged}, mark ${mark}`,
    ),
    ...sideLines('list', lists, (entries) => describeSources(parseSources('list', entries))),
    ...sideLines('forward', forwards, (document) => describeForward(parseForward(document))),
  ]
}

function sideLines<D>(
  what: PlanLine['what'],
  sides: Readonly<Record<string, BeforeAfter<D>>>,
  describe: (document: D) => string,
): PlanLine[] {
  return Object.entries(sides).flatMap(([name, { before, after }]): PlanLine[] => {
    const was = before === null ? undefined : describe(before)
    const is = after === null ? undefined : describe(after)
    if (was === is && JSON.stringify(before) === JSON.stringify(after)) return []
    if (is === undefined) return [{ verb: 'remove', what, name, sentence: was ?? '' }]
    return [
      was === undefined
        ? { verb: 'add', what, name, sentence: is }
        : { verb: 'change', what, name, sentence: is, before: was },
    ]
  })
}

/** The past in the operator's words. Pure. */
import { describeForward } from '../model/describing.ts'
import { parseForward } from '../model/forward.ts'
import { describeSources, parseSources } from '../model/sources.ts'
import type { BeforeAfter, Recorded } from '../store/store.ts'
import type { HistoryEntry, PlanLine } from './shapes.ts'

/** A change of 64,000 forwards is told by its first lines and how many more there are. */
const mostLines = 20

export function historyEntry(record: Recorded): HistoryEntry {
  const { forwards, lists, settings, ...deed } = record
  const lines: PlanLine[] = []
  let more = 0
  for (const line of linesOf({ forwards, lists, settings })) {
    if (lines.length < mostLines) lines.push(line())
    else more += 1
  }
  return { ...deed, lines, more }
}

/** What is different after these changes, taken together, from what was before them; `backwards`: the other way round. */
export function linesBetween(history: readonly Recorded[], backwards: boolean): readonly PlanLine[] {
  const oldestFirst = [...history].sort((a, b) => a.generation - b.generation)
  const [first, last] = [oldestFirst[0], oldestFirst.at(-1)]
  if (!first || !last) return []
  const turn = <D>(sides: Record<string, BeforeAfter<D>>) => (backwards ? turned(sides) : sides)
  const lines = linesOf({
    forwards: turn(joined(oldestFirst.map(({ forwards }) => forwards))),
    lists: turn(joined(oldestFirst.map(({ lists }) => lists))),
    settings:
      turn({ settings: { before: first.settings.before, after: last.settings.after } }).settings ??
      last.settings,
  })
  return [...lines].map((line) => line())
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

/** Each is worded when it is called for. */
function* linesOf({
  forwards,
  lists,
  settings,
}: Pick<Recorded, 'forwards' | 'lists' | 'settings'>): Generator<() => PlanLine> {
  yield* sideLines(
    'settings',
    { settings },
    ({ privileged, mark, locked }) =>
      `${locked ? 'every forward kept shut, ' : ''}privileged ${privileged}, mark ${mark}`,
  )
  yield* sideLines('list', lists, (entries) => describeSources(parseSources('list', entries)))
  yield* sideLines('forward', forwards, (document) => describeForward(parseForward(document)))
}

function* sideLines<D>(
  what: PlanLine['what'],
  sides: Readonly<Record<string, BeforeAfter<D>>>,
  describe: (document: D) => string,
): Generator<() => PlanLine> {
  for (const [name, { before, after }] of Object.entries(sides)) {
    if (JSON.stringify(before) === JSON.stringify(after)) continue
    yield () => {
      const was = before === null ? undefined : describe(before)
      if (after === null) return { verb: 'remove', what, name, sentence: was ?? '' }
      const sentence = describe(after)
      return was === undefined
        ? { verb: 'add', what, name, sentence }
        : { verb: 'change', what, name, sentence, before: was }
    }
  }
}

/** A change in the operator's words and in the kernel's. Pure. */
import { differenceOf, hold, printDifference } from '../compile/difference.ts'
import { elementsOf } from '../compile/elements.ts'
import { describeForward } from '../model/describing.ts'
import { nothingKnown, type Whereabouts } from '../model/endpoints.ts'
import type { Forward } from '../model/forward.ts'
import { printMark, type Settings } from '../model/gateway.ts'
import { type Change, listsAfter, type Register } from '../model/register.ts'
import { describeSources, type List } from '../model/sources.ts'
import type { Store } from '../store/store.ts'
import type { Plan, PlanLine } from './shapes.ts'

/** `change` must be reduced already: a line for something that does not differ would be a lie. */
function planLines(register: Register, change: Change): readonly PlanLine[] {
  return [
    ...(change.settings ? [settingsLine(register.settings, change.settings)] : []),
    ...change.putLists.map((list) => listLine(register, list)),
    ...change.removeLists.map((name) => removedList(name)),
    ...change.remove.flatMap((name) => {
      const forward = register.forwards.get(name)
      return forward ? [forwardLine('remove', forward)] : []
    }),
    ...change.put.map((forward) => {
      const before = register.forwards.get(forward.name)
      return before
        ? { ...forwardLine('change', forward), before: describeForward(before) }
        : forwardLine('add', forward)
    }),
  ]
}

function forwardLine(verb: PlanLine['verb'], forward: Forward): PlanLine {
  return { verb, what: 'forward', name: forward.name, sentence: describeForward(forward) }
}

function listLine({ lists }: Register, list: List): PlanLine {
  const verb = lists.has(list.name) ? 'change' : 'add'
  return { verb, what: 'list', name: list.name, sentence: describeList(list) }
}

function describeList({ prefixes }: List): string {
  return describeSources(prefixes.map((prefix) => ({ kind: 'prefix', prefix })))
}

function removedList(name: string): PlanLine {
  return { verb: 'remove', what: 'list', name, sentence: 'no forward names it any more' }
}

function settingsLine(before: Settings, after: Settings): PlanLine {
  const words = ({ privileged, mark, locked }: Settings) =>
    `${locked ? 'every forward kept shut, ' : ''}ports below 1024 ${privileged ? 'may be opened' : 'need --privileged'}, connections marked ${printMark(mark)}`
  return { verb: 'change', what: 'settings', name: 'settings', sentence: words(after), before: words(before) }
}

/** The transaction that the kernel would be given, as nft is told it. New forwards have the numbers they would get. */
function planNft(store: Store, change: Change, whereabouts: Whereabouts): string {
  const { forwards, lists } = store.register
  const after = listsAfter(lists, change)
  const changedLists = new Set([...change.putLists.map(({ name }) => name), ...change.removeLists])
  const named = new Set([...change.remove, ...change.put.map(({ name }) => name)])
  const relisted = [...forwards.values()].filter(
    ({ name, sources }) =>
      !named.has(name) &&
      sources !== 'anywhere' &&
      sources.some((source) => source.kind === 'list' && changedLists.has(source.name)),
  )
  const former = [...named].flatMap((name) => forwards.get(name) ?? [])
  const fresh = change.put.filter(({ name }) => !forwards.has(name))
  const provisional = new Map(fresh.map(({ name }, index) => [name, store.nextNumber + index]))
  const numbered = (forward: Forward) => ({
    number: provisional.get(forward.name) ?? store.numberOf(forward.name),
    forward,
  })
  const before = [...former, ...relisted].flatMap((forward) =>
    elementsOf(numbered(forward), { ...nothingKnown, whereabouts, lists }),
  )
  const wanted = [...change.put, ...relisted].flatMap((forward) =>
    elementsOf(numbered(forward), { ...nothingKnown, whereabouts, lists: after }),
  )
  return printDifference(differenceOf(hold(before), hold(wanted)))
}

const mostLines = 500

/** What only the machine and the name servers know of a change. */
type Seen = Pick<Plan, 'conflicts' | 'warnings' | 'flows' | 'confirm' | 'names'> & {
  readonly whereabouts: Whereabouts
}

/** With `whole`, every line and the elements; else what is enough to say what was done. */
export function planOf(store: Store, change: Change, whole: boolean, { whereabouts, ...seen }: Seen): Plan {
  const { put, remove } = change
  const most = whole ? Number.POSITIVE_INFINITY : mostLines
  const told = { ...change, put: put.slice(0, most), remove: remove.slice(0, most) }
  return {
    based: store.generation,
    lines: planLines(store.register, told),
    more: put.length - told.put.length + remove.length - told.remove.length,
    nft: whole ? planNft(store, change, whereabouts) : '',
    ...seen,
  }
}

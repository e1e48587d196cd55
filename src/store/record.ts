/** A change as it is kept, and changes that lead back. Pure. */
import { hashOf, type Link } from '../chain.ts'
import { printPrefix } from '../model/address.ts'
import type { ForwardDocument } from '../model/document.ts'
import { parseForward, printForward } from '../model/forward.ts'
import { parseList, parseMark, printMark, type Settings } from '../model/gateway.ts'
import type { Change, Register } from '../model/register.ts'
import type { BeforeAfter, Mark, Origin, Recorded, SettingsDocument } from './store.ts'

/** What an entry says was changed. */
export type Kept = Pick<Recorded, 'forwards' | 'lists' | 'settings'>

/** What an act leaves behind that changes nothing. */
export const nothingChanged: Kept = { forwards: {}, lists: {}, settings: { before: null, after: null } }

/** What happens by itself. */
export function byItself(how: 'expiry' | 'revert' | 'health', at: string, note = ''): Origin {
  return { actor: 'drawbridge', uid: null, address: 'local', how, command: how, at, note }
}

/** The entry of its body: the fields of the log, in their order. */
export function linkOf({ forwards, lists, settings, ...fields }: Omit<Recorded, 'hash'>): Link {
  return { ...fields, body: JSON.stringify({ forwards, lists, settings }) }
}

/** An entry that is about to follow `head`, and its hash. */
export function entryAfter(head: Mark, generation: number, origin: Origin, kept: Kept): Recorded {
  const { at, actor, uid, address, how, command, note } = origin
  const record = { entry: head.entry + 1, generation, at, actor, uid, address, how, command, note, ...kept }
  return { ...record, hash: hashOf(head.hash, linkOf(record)) }
}

/** What `change` does to `register`, written down before it is done. */
export function keptOf(register: Register, change: Change): Kept {
  const after = new Map(change.put.map((forward) => [forward.name, forward]))
  const lists = new Map(change.putLists.map((list) => [list.name, list]))
  return {
    forwards: pairs([...change.remove, ...after.keys()], register.forwards, after, printForward),
    lists: pairs([...change.removeLists, ...lists.keys()], register.lists, lists, ({ prefixes }) =>
      prefixes.map(printPrefix),
    ),
    settings: {
      before: printSettings(register.settings),
      after: printSettings(change.settings ?? register.settings),
    },
  }
}

function pairs<T, D>(
  names: readonly string[],
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  print: (value: T) => D,
): Record<string, BeforeAfter<D>> {
  const side = (value: T | undefined) => (value === undefined ? null : print(value))
  return Object.fromEntries(
    names.map((name) => [name, { before: side(before.get(name)), after: side(after.get(name)) }]),
  )
}

export function printSettings({ privileged, mark, locked }: Settings): SettingsDocument {
  return { privileged, mark: printMark(mark), locked }
}

export function readSettings({ privileged, mark, locked }: SettingsDocument): Settings {
  return { privileged, mark: parseMark('mark', mark), locked }
}

/**
 * The change that undoes `history`: everything that any of its entries named becomes what it was before the first of
 * them, but for a lockdown, which is lifted by nobody but who lifts it. Costs what was changed since, not what is held.
 */
export function undoing(history: readonly Recorded[]): Change {
  const oldestFirst = inOrder(history)
  const locked = oldestFirst.at(-1)?.settings.after?.locked ?? false
  return undone(oldestFirst, locked)
}

/**
 * The change that ends a trial, the oldest entry of `history`. A lockdown that was tried is undone as well, but not one
 * that came meanwhile.
 */
export function endingTrial(history: readonly Recorded[]): Change {
  const oldestFirst = inOrder(history)
  const switched = oldestFirst
    .slice(1)
    .findLast(({ command }) => command === 'lockdown' || command === 'lift')
  const settings = switched?.settings.after ?? oldestFirst[0]?.settings.before
  return undone(oldestFirst, settings?.locked ?? false)
}

function inOrder(history: readonly Recorded[]): readonly Recorded[] {
  return [...history].sort((a, b) => a.generation - b.generation)
}

function undone(oldestFirst: readonly Recorded[], locked: boolean): Change {
  const forwards = new Map(
    [...firstBefore(oldestFirst.map((entry) => entry.forwards))].map(
      ([name, document]) =>
        [name, document && hasExpired(oldestFirst, name, document) ? null : document] as const,
    ),
  )
  const lists = firstBefore(oldestFirst.map((entry) => entry.lists))
  const before = oldestFirst[0]?.settings.before
  return {
    put: [...forwards.values()].flatMap((document) => (document ? [parseForward(document)] : [])),
    remove: [...forwards].filter(([, document]) => document === null).map(([name]) => name),
    putLists: [...lists].flatMap(([name, entries]) => (entries ? [parseList(name, entries)] : [])),
    removeLists: [...lists].filter(([, entries]) => entries === null).map(([name]) => name),
    settings: before ? readSettings({ ...before, locked }) : null,
  }
}

/** Its time was over once: a clock that has been set back does not bring it back. */
function hasExpired(history: readonly Recorded[], name: string, { expires }: ForwardDocument): boolean {
  return (
    expires !== undefined &&
    history.some(({ how, forwards }) => how === 'expiry' && forwards[name]?.before?.expires === expires)
  )
}

/** What has expired meanwhile does not come back with an older generation. */
export function withoutExpired(change: Change, now: string): Change {
  const over = change.put.filter(({ expires }) => expires !== null && Date.parse(expires) <= Date.parse(now))
  const names = new Set(over.map(({ name }) => name))
  return {
    ...change,
    put: change.put.filter(({ name }) => !names.has(name)),
    remove: [...change.remove, ...names],
  }
}

function firstBefore<D>(entries: readonly Readonly<Record<string, BeforeAfter<D>>>[]): Map<string, D | null> {
  const found = new Map<string, D | null>()
  for (const entry of entries) {
    for (const [name, { before }] of Object.entries(entry)) if (!found.has(name)) found.set(name, before)
  }
  return found
}

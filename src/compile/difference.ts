/** Two states of some elements -> what to take out and what to put in. */
import type { Element } from './element.ts'
import { layoutOf } from './sets.ts'

/** Applied as one transaction: first everything in `remove`, then everything in `add`. */
export interface Difference {
  readonly remove: readonly Element[]
  readonly add: readonly Element[]
}

/** The elements of a state, by set and key; the value is the data, '' in a set. */
export type Held = ReadonlyMap<string, ReadonlyMap<string, string>>

export function hold(elements: Iterable<Element>): Map<string, Map<string, string>> {
  const held = new Map<string, Map<string, string>>()
  for (const { set, key, data } of elements) {
    const inner = held.get(set)
    if (inner) inner.set(key, data ?? '')
    else held.set(set, new Map([[key, data ?? '']]))
  }
  return held
}

/** What turns `present` into `desired`. An element with other data is removed and added: maps have no update. */
export function differenceOf(present: Held, desired: Held): Difference {
  return { remove: missingFrom(desired, present), add: missingFrom(present, desired) }
}

function missingFrom(holder: Held, wanted: Held): Element[] {
  const missing: Element[] = []
  for (const [set, elements] of wanted) {
    const held = holder.get(set)
    for (const [key, data] of elements) {
      if (held?.get(key) !== data) missing.push(toElement(set, key, data))
    }
  }
  return missing
}

function toElement(set: string, key: string, data: string): Element {
  return layoutOf(set).data ? { set, key, data } : { set, key }
}

export function isNothing({ remove, add }: Difference): boolean {
  return remove.length === 0 && add.length === 0
}

/** The transaction as nft would be told it: what `plan --nft` shows. */
export function printDifference({ remove, add }: Difference): string {
  return [...remove.map((one) => printLine('delete', one)), ...add.map((one) => printLine('add', one))].join(
    '',
  )
}

function printLine(verb: 'add' | 'delete', { set, key, data }: Element): string {
  const value = verb === 'add' && data !== undefined ? ` : ${data}` : ''
  return `${verb} element inet drawbridge ${set} { ${key}${value} }\n`
}

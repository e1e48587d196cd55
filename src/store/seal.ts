/**
 * What the state in the database amounts to, as one hash. SQLite finds a damaged page, but not a text in which one letter
 * has become another; and a forward whose port was turned by a bad disk must not be opened.
 */
import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'

/** The parts of the state beside forwards and lists. */
export interface Sealed {
  readonly generation: number
  readonly next_number: number
  readonly settings: string
  readonly pending: string | null
}

/** Rows as texts, by what names them; null for one that goes. */
export type Rows = ReadonlyMap<string, string | null>

export interface Seal {
  /** The hash after these rows are changed; `take` says that they are. Costs what is changed, not what is held. */
  after(rows: Rows, state: Sealed): { readonly hash: string; take(): void }
}

export const forwardRow = (number: number, name: string, body: string) =>
  [`forward ${name}`, `${number} ${body}`] as const

export const listRow = (name: string, body: string) => [`list ${name}`, body] as const

/** A sum has no order, so one row is taken out and put in without the others. */
const modulus = 2n ** 256n

export function sealOf(database: DatabaseSync): Seal {
  const held = new Map<string, bigint>()
  let sum = 0n
  const change = (rows: Rows): bigint => {
    let changed = sum
    for (const [key, text] of rows)
      changed += (text === null ? 0n : hashOf(key, text)) - (held.get(key) ?? 0n)
    return ((changed % modulus) + modulus) % modulus
  }
  const take = (rows: Rows, changed: bigint): void => {
    sum = changed
    for (const [key, text] of rows) {
      if (text === null) held.delete(key)
      else held.set(key, hashOf(key, text))
    }
  }
  const present = new Map(readRows(database))
  take(present, change(present))
  return {
    after(rows, { generation, next_number, settings, pending }) {
      const changed = change(rows)
      const state = [changed.toString(16), generation, next_number, settings, pending]
      const hash = createHash('sha256').update(JSON.stringify(state)).digest('hex')
      return { hash, take: () => take(rows, changed) }
    },
  }
}

/** Throws when the state is not what was written last. A database of an older shape has no seal yet. */
export function refuseUnsealed(database: DatabaseSync): void {
  const state = database.prepare('SELECT * FROM state').get() as (Sealed & { seal: string }) | undefined
  const nothing = { generation: 0, next_number: 1, settings: '', pending: null }
  if (state?.seal === '') return
  if (!state && [...readRows(database)].length === 0) return
  const { hash } = sealOf(database).after(new Map(), state ?? nothing)
  if (hash !== state?.seal) throw new Error('its contents are not what was written')
}

function* readRows(database: DatabaseSync): Generator<readonly [string, string]> {
  for (const row of database.prepare('SELECT number, name, body FROM forwards').iterate()) {
    const { number, name, body } = row as { number: number; name: string; body: string }
    yield forwardRow(number, name, body)
  }
  for (const row of database.prepare('SELECT name, body FROM lists').iterate()) {
    const { name, body } = row as { name: string; body: string }
    yield listRow(name, body)
  }
}

function hashOf(key: string, text: string): bigint {
  return BigInt(`0x${createHash('sha256').update(`${key.length} ${key} ${text}`).digest('hex')}`)
}

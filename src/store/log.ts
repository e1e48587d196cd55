/** The part of the log that lies in the database. */
import type { DatabaseSync } from 'node:sqlite'
import { type Kept, nothingChanged } from './record.ts'
import type { LogPage, Mark, Recorded } from './store.ts'

export interface Log {
  append(record: Recorded): void
  /** The changes that made the generations above `after`, newest first. */
  history(after: number, most: number): readonly Recorded[]
  /** At least one entry above number `after` if there is one, at most `most`, and no more than fit into a page. */
  page(after: number, most: number, base: Mark): LogPage
  /** The last entry before those that were made after generation `after` and at `since` or later. */
  startOf(after: number, since: string, base: Mark): number
  /** The newest entry at or below both limits. */
  markAt(entry: number, generation: number): Mark | undefined
  base(): Mark | undefined
  /** Lets go of all entries up to `mark`, which lie in an archive by now. */
  drop(mark: Mark): void
}

/** Of text in one page; one entry alone may be larger. */
const mostText = 4_000_000

interface Row extends Omit<Recorded, 'forwards' | 'lists' | 'settings'> {
  /** Empty when nothing was changed. */
  readonly body: string
}

export function openLog(database: DatabaseSync): Log {
  const put = database.prepare(`INSERT INTO audit
    (entry, generation, at, actor, uid, address, how, command, note, hash, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const changes = database.prepare(
    "SELECT * FROM audit WHERE body <> '' AND generation > ? ORDER BY generation DESC LIMIT ?",
  )
  const after = database.prepare('SELECT * FROM audit WHERE entry > ? ORDER BY entry LIMIT ?')
  const hash = database.prepare('SELECT hash FROM audit WHERE entry = ?')
  const first = database.prepare('SELECT min(entry) AS entry FROM audit WHERE generation > ? AND at >= ?')
  const mark = database.prepare(
    'SELECT entry, generation, hash FROM audit WHERE entry <= ? AND generation <= ? ORDER BY entry DESC LIMIT 1',
  )
  const base = database.prepare('SELECT entry, generation, hash FROM base')
  const putBase = database.prepare(
    'INSERT OR REPLACE INTO base (one, entry, generation, hash) VALUES (1, ?, ?, ?)',
  )
  const remove = database.prepare('DELETE FROM audit WHERE entry <= ?')
  const hashOfEntry = (entry: number) => (hash.get(entry) as { hash: string } | undefined)?.hash

  return {
    append({ entry, generation, at, actor, uid, address, how, command, note, hash, ...kept }) {
      const body = kept.settings.after === null ? '' : JSON.stringify(kept)
      put.run(entry, generation, at, actor, uid, address, how, command, note, hash, body)
    },
    history: (generation, most) => (changes.all(generation, most) as unknown as Row[]).map(readRow),
    page(entry, most, from) {
      const entries: Recorded[] = []
      let text = 0
      for (const row of after.iterate(Math.max(entry, from.entry), most) as unknown as Iterable<Row>) {
        text += row.body.length
        if (text > mostText && entries.length > 0) break
        entries.push(readRow(row))
      }
      const before = (entries[0]?.entry ?? 0) - 1
      return { before: hashOfEntry(before) ?? from.hash, entries }
    },
    startOf(generation, since, from) {
      const { entry } = first.get(generation, since) as { entry: number | null }
      if (entry === null) return Number.MAX_SAFE_INTEGER
      return entry === from.entry + 1 ? 0 : entry - 1
    },
    markAt: (entry, generation) => mark.get(entry, generation) as unknown as Mark | undefined,
    base: () => base.get() as unknown as Mark | undefined,
    drop(to) {
      remove.run(to.entry)
      putBase.run(to.entry, to.generation, to.hash)
    },
  }
}

function readRow({ body, ...row }: Row): Recorded {
  return { ...row, ...(body === '' ? nothingChanged : (JSON.parse(body) as Kept)) }
}

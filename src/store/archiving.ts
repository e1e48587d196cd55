/** Moves the oldest entries of the log from the database to archives. */
import type { Archives } from './archive.ts'
import type { Ledger } from './ledger.ts'
import type { Log } from './log.ts'
import type { Mark, Recorded } from './store.ts'

/** So many entries go into one file, and leave the database in one transaction. */
const entriesPerArchive = 10_000

/** The newest entry that may go: `keep` younger ones stay, and with them the way back from a change that waits. */
export function lastToArchive({ head, pending }: Ledger, keep: number): Omit<Mark, 'hash'> {
  return { entry: head.entry - keep, generation: pending?.base ?? head.generation }
}

/**
 * Each file is complete on the disk before its entries leave the database. A crash between the two leaves them in both,
 * and the next time the same entries are written again.
 */
export async function archiveOld(
  log: Log,
  ledger: Ledger,
  archives: Archives,
  keep: number,
  inTransaction: (work: () => void) => void,
): Promise<void> {
  const last = lastToArchive(ledger, keep)
  for (;;) {
    const { base } = ledger
    const mark = log.markAt(Math.min(last.entry, base.entry + entriesPerArchive), last.generation)
    if (!mark || mark.entry <= base.entry) return
    await archives.write(base.entry + 1, mark.entry, base.hash, pagesOf(log, base, mark.entry))
    inTransaction(() => log.drop(mark))
    ledger.base = mark
  }
}

function* pagesOf(log: Log, base: Mark, last: number): Generator<readonly Recorded[]> {
  for (let after = base.entry; after < last; ) {
    const { entries } = log.page(after, Math.min(500, last - after), base)
    if (entries.length === 0) return
    yield entries
    after = entries.at(-1)?.entry ?? last
  }
}

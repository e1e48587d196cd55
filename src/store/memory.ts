/** A store that forgets: an honest second implementation, held to the same contract as SQLite's. */
import { chainStart } from '../chain.ts'
import { lastToArchive } from './archiving.ts'
import { Ledger, markOf } from './ledger.ts'
import type { Recorded, Store } from './store.ts'

export function openMemoryStore(): Store {
  const ledger = new Ledger()
  const records: Recorded[] = []
  const keep = (record: Recorded) => void records.push(record)
  const changes = () => records.filter(({ settings }) => settings.after !== null).reverse()
  return {
    get generation() {
      return ledger.generation
    },
    get nextNumber() {
      return ledger.nextNumber
    },
    register: ledger.register,
    numberOf: (name) => ledger.numberOf(name),
    get pending() {
      return ledger.pending
    },
    get log() {
      return ledger
    },
    commit: (change, origin, circumstances, options = {}) =>
      ledger.commit(change, origin, circumstances, options, ({ record }) => keep(record)),
    confirm: (origin) => ledger.act(origin, keep),
    record: (origin) => ledger.act(origin, keep),
    history: (after, most) => {
      const from = Math.max(after, ledger.base.generation)
      return changes()
        .filter(({ generation }) => generation > from)
        .slice(0, most)
    },
    entries: async (after, most) => ({
      before: records[after - 1]?.hash ?? chainStart,
      entries: records.slice(after, after + most),
    }),
    startOf: (after, since) => {
      const first = records.find(({ generation, at }) => generation > after && at >= since)
      return first ? first.entry - 1 : Number.MAX_SAFE_INTEGER
    },
    archive: async (keeping) => {
      const last = lastToArchive(ledger, keeping)
      const mark = records.findLast(
        ({ entry, generation }) => entry <= last.entry && generation <= last.generation,
      )
      if (mark && mark.entry > ledger.base.entry) ledger.base = markOf(mark)
    },
    bytes: () => 0,
    since: (generation) => ledger.since(generation),
    onCommit: (listener) => ledger.onCommit(listener),
    close: () => {},
  }
}

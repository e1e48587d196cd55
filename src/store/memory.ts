/** A store that forgets: an honest second implementation, held to the same contract as SQLite's. */
import { Ledger } from './ledger.ts'
import type { Recorded, Store } from './store.ts'

export function openMemoryStore(): Store {
  const ledger = new Ledger()
  const records: Recorded[] = []
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
    commit: (change, origin, circumstances, options = {}) =>
      ledger.commit(change, origin, circumstances, options, ({ record }) => void records.unshift(record)),
    confirm: () => ledger.confirm(() => {}),
    history: (after, most) => records.filter(({ generation }) => generation > after).slice(0, most),
    since: (generation) => ledger.since(generation),
    onCommit: (listener) => ledger.onCommit(listener),
    close: () => {},
  }
}

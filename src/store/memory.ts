/** A store that forgets: an honest second implementation, held to the same contract as SQLite's. */
import { Ledger } from './ledger.ts'
import type { Store } from './store.ts'

export function openMemoryStore(): Store {
  const ledger = new Ledger()
  return {
    get generation() {
      return ledger.generation
    },
    get nextNumber() {
      return ledger.nextNumber
    },
    register: ledger.register,
    numberOf: (name) => ledger.numberOf(name),
    commit: (change, _origin, circumstances, based) => ledger.commit(change, circumstances, based, () => {}),
    since: (generation) => ledger.since(generation),
    onCommit: (listener) => ledger.onCommit(listener),
    close: () => {},
  }
}

/** A store that forgets: an honest second implementation, held to the same contract as SQLite's. */
import { hashOf } from './chain.ts'
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
      ledger.commit(change, origin, circumstances, options, ({ record }) => {
        const { forwards, lists, settings, ...fields } = record
        const hash = hashOf(ledger.head, { ...fields, body: JSON.stringify({ forwards, lists, settings }) })
        records.unshift({ ...record, hash })
        return hash
      }),
    confirm: () => ledger.confirm(() => {}),
    history: (after, most) => records.filter(({ generation }) => generation > after).slice(0, most),
    verify: () => ({ entries: records.length, broken: null }),
    since: (generation) => ledger.since(generation),
    onCommit: (listener) => ledger.onCommit(listener),
    close: () => {},
  }
}

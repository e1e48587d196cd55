/** A process of its own that commits for ever: each generation is printed when the store has acknowledged it. */
import { writeSync } from 'node:fs'
import { openSqliteStore } from '../../src/store/sqlite.ts'
import { careful, opening, origin } from './changes.ts'

const store = openSqliteStore(process.argv[2] ?? '')
for (;;) {
  const next = store.generation + 1
  const generation = store.commit(
    opening('moving', 2000 + (next % 1000), { note: `generation ${next}` }),
    origin,
    careful,
  )
  writeSync(1, `${generation}\n`)
}

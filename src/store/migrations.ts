/** The database's shape, by number. A migration is never edited once it has been released; the next one mends it. */
import { DatabaseSync } from 'node:sqlite'

const migrations: readonly string[] = [
  `CREATE TABLE state (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     generation INTEGER NOT NULL,
     next_number INTEGER NOT NULL,
     settings TEXT NOT NULL,
     pending TEXT,
     head TEXT NOT NULL
   ) STRICT;
   CREATE TABLE forwards (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
   CREATE TABLE lists (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
   CREATE TABLE changes (
     generation INTEGER PRIMARY KEY,
     at TEXT NOT NULL,
     actor TEXT NOT NULL,
     how TEXT NOT NULL,
     note TEXT NOT NULL,
     body TEXT NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;`,
  // The log gets entries for more than changes, and a beginning that may have moved to archives.
  `CREATE TABLE audit (
     entry INTEGER PRIMARY KEY,
     generation INTEGER NOT NULL,
     at TEXT NOT NULL,
     actor TEXT NOT NULL,
     uid INTEGER,
     address TEXT NOT NULL,
     how TEXT NOT NULL,
     command TEXT NOT NULL,
     note TEXT NOT NULL,
     hash TEXT NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   INSERT INTO audit SELECT generation, generation, at, actor, NULL, '', how, '', note, hash, body FROM changes;
   DROP TABLE changes;
   CREATE UNIQUE INDEX changes ON audit (generation) WHERE body <> '';
   CREATE TABLE base (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     entry INTEGER NOT NULL,
     generation INTEGER NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;
   ALTER TABLE state ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;
   UPDATE state SET entry = generation;`,
  // What is kept beside the log is covered by a hash too; empty until the first change.
  "ALTER TABLE state ADD COLUMN seal TEXT NOT NULL DEFAULT '';",
]

/** The number of the newest shape. */
export const newestVersion = migrations.length

/** Throws, and has written nothing, when a newer program made the database. */
export function refuseNewer(database: DatabaseSync): void {
  const version = versionOf(database)
  if (version > migrations.length) {
    throw new Error(
      `it was written by a newer Drawbridge (schema ${version}, this one knows ${migrations.length})`,
    )
  }
}

/** Brings the database to the newest shape, each step in a transaction. */
export function migrate(database: DatabaseSync): void {
  const version = versionOf(database)
  migrations.slice(version).forEach((step, index) => {
    database.exec(`BEGIN IMMEDIATE; ${step} PRAGMA user_version = ${version + index + 1}; COMMIT`)
  })
}

/** The tables that a database of this version has, as text. */
export function schemaAt(version: number): string {
  const database = new DatabaseSync(':memory:')
  for (const step of migrations.slice(0, version)) database.exec(step)
  const schema = schemaOf(database)
  database.close()
  return schema
}

/** The tables of a database, as text. */
export function schemaOf(database: DatabaseSync): string {
  const columns = 'type, name, tbl_name, sql'
  return JSON.stringify(database.prepare(`SELECT ${columns} FROM sqlite_schema ORDER BY type, name`).all())
}

export function versionOf(database: DatabaseSync): number {
  return (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
}

/**
 * The audit log as a chain: each hash covers its entry and the hash before it, so none can be edited, removed or moved
 * unseen. Whoever keeps it, carries it or checks it computes the same. Pure.
 */
import { createHash } from 'node:crypto'

/** An entry as it is written down: these fields, in this order, and what they changed as a text of JSON. */
export interface Link {
  readonly entry: number
  readonly generation: number
  readonly at: string
  readonly actor: string
  readonly uid: number | null
  readonly address: string
  readonly how: string
  /** Empty in an entry of the first schema, whose hash was made in another way. */
  readonly command: string
  readonly note: string
  /** `{"forwards":…,"lists":…,"settings":…}` */
  readonly body: string
}

/** What the first entry follows. */
export const chainStart = '0'.repeat(64)

/** The line of JSON that stands for an entry in the log, without its hash. */
function lineOf({ body, ...link }: Link): string {
  const { entry, generation, at, actor, uid, address, how, command, note } = link
  const fields = JSON.stringify({ entry, generation, at, actor, uid, address, how, command, note })
  return `${fields.slice(0, -1)},${body.slice(1)}`
}

/** What stands for the entry in the chain: SHA-256 of its line. */
export function digestOf(link: Link): string {
  return createHash('sha256').update(lineOf(link)).digest('hex')
}

/** The hash after an entry. Whoever has only digests can follow the chain, and cannot be led elsewhere. */
export function follow(before: string, digest: string): string {
  return createHash('sha256').update(before).update(digest).digest('hex')
}

/** The hash of the entry that stands after the one with the hash `before`. */
export function hashOf(before: string, link: Link): string {
  return isOfFirstSchema(link) ? firstSchemaHash(before, link) : follow(before, digestOf(link))
}

/** It had no command, and what its hash does not cover must be empty too. */
function isOfFirstSchema({ command, uid, address }: Link): boolean {
  return command === '' && uid === null && address === ''
}

/** Each field with its length, so that no text could be shifted between two of them. */
function firstSchemaHash(before: string, { generation, at, actor, how, note, body }: Link): string {
  const hash = createHash('sha256').update(before)
  for (const field of [String(generation), at, actor, how, note, body]) {
    hash.update(`${Buffer.byteLength(field)}:`).update(field)
  }
  return hash.digest('hex')
}

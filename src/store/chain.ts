/** The changes as a chain: each entry's hash covers the one before it, so none can be edited, removed or moved unseen. */
import { createHash } from 'node:crypto'

/** A change as it lies in the store; `body` is its text as written. */
export interface Link {
  readonly generation: number
  readonly at: string
  readonly actor: string
  readonly how: string
  readonly note: string
  readonly body: string
}

/** What the first entry follows. */
export const chainStart = '0'.repeat(64)

/** SHA-256 over the hash before and every field, each with its length so that no two texts can be shifted between fields. */
export function hashOf(before: string, { generation, at, actor, how, note, body }: Link): string {
  const hash = createHash('sha256').update(before)
  for (const field of [String(generation), at, actor, how, note, body]) {
    hash.update(`${Buffer.byteLength(field)}:`).update(field)
  }
  return hash.digest('hex')
}

export interface Verdict {
  readonly entries: number
  /** The first generation whose entry is not what was written, and why; null when the chain is whole. */
  readonly broken: { readonly generation: number; readonly why: string } | null
}

/** `head`: the hash and generation that the newest entry must have, kept apart from the entries. */
export function verifyChain(
  links: Iterable<Link & { readonly hash: string }>,
  head: { readonly generation: number; readonly hash: string },
): Verdict {
  let before = chainStart
  let entries = 0
  const broken = (generation: number, why: string): Verdict => ({ entries, broken: { generation, why } })
  for (const link of links) {
    entries += 1
    if (link.generation !== entries) return broken(entries, 'the entry of this generation is missing')
    if (link.hash !== hashOf(before, link))
      return broken(link.generation, 'the entry is not what was written')
    before = link.hash
  }
  if (entries !== head.generation) return broken(entries + 1, 'the newest entries are missing')
  return before === head.hash ? { entries, broken: null } : broken(entries, 'the newest entry was replaced')
}

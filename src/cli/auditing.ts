/** The audit log page by page, and its verification: it trusts neither the store nor the controller. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditQuery, Client } from '../api/client.ts'
import type { AuditEntry, AuditPage } from '../api/shapes.ts'
import { chainStart, hashOf, type Link } from '../chain.ts'
import { Problem } from '../model/problem.ts'

/** However long the log is, one page of it is held at a time. */
export async function* auditPages(
  client: Pick<Client, 'audit'>,
  wanted: AuditQuery,
): AsyncGenerator<AuditPage> {
  for (let after = wanted.after; ; ) {
    const page = await client.audit({ ...wanted, after })
    yield page
    if (page.next === null) return
    after = page.next
  }
}

/** The newest entry that the agent has seen, in a file of root that the controller cannot write. */
interface Seen {
  readonly entry: number
  readonly hash: string
}

export function seenFile(state: string): string {
  return join(state, 'agent', 'audit.json')
}

/** Undefined while the agent has seen nothing yet, and for whoever may not read it. */
function readSeen(state: string): Seen | undefined {
  try {
    return JSON.parse(readFileSync(seenFile(state), 'utf8')) as Seen
  } catch {
    return undefined
  }
}

export interface Verdict {
  /** How many there are. */
  readonly entries: number
  /** Entries whose archives are not where they were written. */
  readonly missing: readonly { readonly first: number; readonly last: number }[]
  /** The entry up to which the log is as the agent saw it grow; null when that could not be compared. */
  readonly seen: number | null
}

/** Throws `audit-broken` at the first entry that is not what was written, `audit-forked` where the agent saw another. */
export async function verifyLog(pages: AsyncIterable<AuditPage>, state: string): Promise<Verdict> {
  const missing: { first: number; last: number }[] = []
  const kept = readSeen(state)
  let at = { entry: 0, hash: chainStart }
  let entries = 0
  let compared = false
  const pass = (next: typeof at) => {
    at = next
    if (at.entry !== kept?.entry) return
    compared = true
    if (at.hash !== kept.hash) throw forked(kept, 'another one stands there', state)
  }
  pass(at)
  for await (const { before, base, head, entries: found, next } of pages) {
    const first = found[0]?.entry ?? head.entry + 1
    if (first > at.entry + 1 && at.entry < base.entry && first <= base.entry + 1) {
      missing.push({ first: at.entry + 1, last: first - 1 })
      pass({ entry: first - 1, hash: before })
    }
    for (const entry of found) {
      refuseOther(entry, at)
      pass(entry)
      entries += 1
    }
    if (next === null) refuseOtherEnd(at, head)
  }
  if (kept && kept.entry > at.entry) throw forked(kept, `it ends at entry ${at.entry}`, state)
  return { entries, missing, seen: compared ? (kept?.entry ?? null) : null }
}

function refuseOther(entry: AuditEntry, at: { entry: number; hash: string }): void {
  if (entry.entry !== at.entry + 1) throw broken(at.entry + 1, 'it is missing')
  if (entry.hash !== hashOf(at.hash, linkOf(entry))) throw broken(entry.entry, 'it is not what was written')
}

function refuseOtherEnd(at: Seen, head: Seen): void {
  if (at.entry < head.entry) throw broken(at.entry + 1, 'it and all after it are missing')
  if (at.hash !== head.hash) throw broken(at.entry, 'the newest entry was replaced')
}

function broken(entry: number, why: string): Problem {
  return Problem.of('audit-broken', { entry, why })
}

function forked({ entry }: Seen, why: string, state: string): Problem {
  return Problem.of('audit-forked', { entry, why, file: seenFile(state) })
}

function linkOf({ forwards, lists, settings, ...fields }: AuditEntry): Link {
  return { ...fields, body: JSON.stringify({ forwards, lists, settings }) }
}

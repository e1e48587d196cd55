/**
 * The boot file: the last confirmed state as text of nft, for `bin/drawbridge-restore`, which runs before the network is
 * up and without Node. A change appends what it did, so it costs what the change is large; now and then it is written anew.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { printDifference } from '../compile/difference.ts'
import type { Element } from '../compile/element.ts'
import { reach, writeThrough } from '../faults.ts'
import { replaceFile } from '../kernel/files.ts'
import type { Family } from '../model/address.ts'
import { lastSeal } from '../model/lastgood.ts'

/** Elements that must be gone from `at` on, in seconds since 1970. */
export interface Expiring {
  readonly at: number
  readonly openings: readonly Element[]
}

interface BootState {
  readonly generation: number
  /** The families that have to be forwarded. */
  readonly families: readonly Family[]
  /** What a boot after its time must not open again. */
  readonly expiring: readonly Expiring[]
}

export interface BootFile {
  /** Writes the whole state. */
  rewrite(text: string, state: BootState): void
  /** Adds a change; false when the file should rather be written anew. */
  append(text: string, state: BootState): boolean
  forget(): void
  /** The generation that the file holds, or 0 when it cannot be told. */
  generation(): number
}

/** The first line that every whole file has: whatever is in the kernel goes, in the same transaction. */
const clean = 'add table inet drawbridge\ndelete table inet drawbridge\n'

export function openBootFile(directory: string): BootFile {
  const path = join(directory, 'boot.nft')
  let whole = 0
  /** Over all that the file holds. */
  let hash = createHash('sha256')
  return {
    rewrite(text, state) {
      whole = 0 // Until the new file is there: the next one is written anew, too.
      hash = createHash('sha256')
      const written = sealed(`${clean}${text}${state.expiring.map(printExpiring).join('')}`, state, hash)
      reach('boot-rewriting')
      replaceFile(path, written)
      reach('boot-rewritten')
      whole = written.length
    },
    append(text, state) {
      if (whole === 0 || sizeOf(path) > whole * 2 + 100_000) return false
      reach('boot-appending')
      const file = openSync(path, 'a')
      const before = whole
      whole = 0 // Torn, unless all of it comes to pass: then the next one is written anew.
      try {
        writeThrough('boot-torn', file, sealed(text, state, hash))
        fsyncSync(file)
        reach('boot-appended')
      } finally {
        closeSync(file)
      }
      whole = before
      return true
    },
    forget: () => rmSync(path, { force: true }),
    generation: () => lastSeal(readText(path))?.generation ?? 0,
  }
}

/** A comment for nft, a command for the restore script once its time is over. */
function printExpiring({ at, openings }: Expiring): string {
  const closing = printDifference({ remove: openings, add: [] }).trimEnd().split('\n')
  return closing.map((line) => `#@ ${at} ${line}\n`).join('')
}

/**
 * The text with the seal that closes a change: what follows the last one was torn by a crash and is not read, and what
 * stands before it is what its digest says, or the disk has damaged it. The digest comes last, so that a torn seal is none.
 */
function sealed(text: string, { generation, families }: BootState, hash: Hash): string {
  const forwarded = families.map((family) => `ipv${family}`).join(' ')
  const closed = `${text}# end of generation ${generation}, forwards ${forwarded}, sha256`
  const digest = hash.update(closed).copy().digest('hex')
  hash.update(` ${digest}\n`)
  return `${closed} ${digest}\n`
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

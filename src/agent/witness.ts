/**
 * The head of the audit log as the agent saw it grow, in a file of root: whoever writes the store anew, the controller
 * included, cannot bring this one along, as every step to it must be shown.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { chainStart, follow } from '../chain.ts'
import { replaceFile } from '../kernel/files.ts'

/** A place in the log: the hash after this entry. */
export interface Place {
  readonly entry: number
  readonly hash: string
}

export interface Witness {
  /** Follows the log from `base` by the digests of the entries after it; gives the place that is known then. */
  see(base: Place, digests: readonly string[]): Place
}

export function openWitness(directory: string): Witness {
  const path = join(directory, 'audit.json')
  return {
    see(base, digests) {
      const known = readPlace(path)
      const seen = followed(known, base, digests)
      if (seen.entry !== known?.entry) replaceFile(path, `${JSON.stringify(seen)}\n`)
      return seen
    },
  }
}

/** The end of the way if it leads over the known place, else that one. Where none is known any place is believed. */
export function followed(known: Place | undefined, base: Place, digests: readonly string[]): Place {
  const isKnown = ({ entry, hash }: Place) => !known || (entry === known.entry && hash === known.hash)
  let at = base
  let passed = isKnown(at)
  for (const digest of digests) {
    at = { entry: at.entry + 1, hash: follow(at.hash, digest) }
    passed ||= isKnown(at)
  }
  return passed ? at : (known ?? at)
}

/** A file that is none is as good as none: then the next place is believed, and root can see that it began anew. */
function readPlace(path: string): Place | undefined {
  try {
    const { entry, hash } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Place>
    return Number.isInteger(entry) && hash?.length === chainStart.length
      ? ({ entry, hash } as Place)
      : undefined
  } catch {
    return undefined
  }
}

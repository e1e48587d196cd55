/** Remembers which fingerprint the kernel gave for which skeleton, so that an agent started anew can leave it alone. */
import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../kernel/files.ts'

export interface SkeletonRecord {
  /** Whether `fingerprint` is what the kernel gave after `skeleton` had been loaded. */
  matches(skeleton: string, fingerprint: string): boolean
  keep(skeleton: string, fingerprint: string): void
  forget(): void
}

export function openRecord(directory: string): SkeletonRecord {
  const path = join(directory, 'skeleton.txt')
  const lineOf = (skeleton: string, fingerprint: string) =>
    `${createHash('sha256').update(skeleton).digest('hex')} ${fingerprint}\n`
  return {
    matches: (skeleton, fingerprint) =>
      fingerprint !== '' && readLine(path) === lineOf(skeleton, fingerprint),
    keep: (skeleton, fingerprint) => {
      try {
        replaceFile(path, lineOf(skeleton, fingerprint))
      } catch {
        // On a full disk the old line stays and does not match: the next agent loads the static part once more.
      }
    },
    forget: () => rmSync(path, { force: true }),
  }
}

function readLine(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

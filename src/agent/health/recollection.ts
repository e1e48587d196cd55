/** What the next agent is to know of targets that are down, so that it does not send anybody there until it has seen for itself. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../../kernel/files.ts'
import type { Course } from './course.ts'

export interface Recollection {
  /** By the key of what is checked; what was found down. */
  read(): ReadonlyMap<string, Course>
  keep(down: ReadonlyMap<string, Course>): void
  forget(): void
}

const course = z.strictObject({
  state: z.literal('down'),
  since: z.string(),
  trouble: z.string(),
  warning: z.string(),
  flapping: z.boolean(),
  against: z.int().min(0),
  steady: z.int().min(0),
  flaps: z.int().min(0).max(5),
})
const kept = z.array(z.tuple([z.string(), course]))

export function openRecollection(directory: string): Recollection {
  const path = join(directory, 'health.json')
  return {
    read: () => {
      try {
        return new Map(kept.parse(JSON.parse(readFileSync(path, 'utf8'))))
      } catch {
        // Nothing is known: every target counts as alive until its checks say otherwise.
        return new Map()
      }
    },
    keep: (down) => {
      try {
        replaceFile(path, JSON.stringify([...down]))
      } catch {
        // On a full disk the next agent has to find out by itself.
      }
    },
    forget: () => rmSync(path, { force: true }),
  }
}

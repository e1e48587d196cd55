/**
 * Where old entries of the log go: files of some thousand lines of JSON, one an entry as in `drawbridge audit -o json`,
 * behind a first line that says which hash they follow. Gzip, so that zcat and jq read them.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, open, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { Problem } from '../model/problem.ts'
import type { LogPage, Recorded } from './store.ts'

export interface Archives {
  /** Keeps entries that follow `before`, durably; `pages` are read one after the other. */
  write(first: number, last: number, before: string, pages: Iterable<readonly Recorded[]>): Promise<void>
  /** Entries above number `after`, from the first archive that has any; undefined when none has. */
  page(after: number, most: number): Promise<LogPage | undefined>
}

/** Of text in one page; one entry alone may be larger. */
const mostText = 4_000_000

export function archivesIn(directory: string): Archives {
  return {
    async write(first, last, before, pages) {
      await mkdir(directory, { recursive: true })
      // Whatever the process's mask leaves of the mode of what it makes.
      await chmod(directory, 0o700)
      const path = join(directory, nameOf(first, last))
      const lines = Readable.from(textOf(before, pages), { objectMode: false })
      await pipeline(lines, createGzip(), createWriteStream(`${path}.new`, { mode: 0o600, flush: true }))
      await rename(`${path}.new`, path)
      await flush(directory)
    },
    async page(after, most) {
      const next = (await files(directory)).find(({ last }) => last > after)
      if (!next) return undefined
      const path = join(directory, nameOf(next.first, next.last))
      try {
        return await pageOf(path, after, most)
      } catch (error) {
        throw Problem.of('archive-unreadable', { path, why: (error as Error).message }, error)
      }
    },
  }
}

const digits = 12
const named = /^audit-(\d{12})-(\d{12})\.jsonl\.gz$/

function nameOf(first: number, last: number): string {
  return `audit-${[first, last].map((entry) => String(entry).padStart(digits, '0')).join('-')}.jsonl.gz`
}

async function files(directory: string): Promise<readonly { first: number; last: number }[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw Problem.of('archive-unreadable', { path: directory, why: error.message }, error)
  })
  return names.sort().flatMap((name) => {
    const [, first, last] = named.exec(name) ?? []
    return first && last ? [{ first: Number(first), last: Number(last) }] : []
  })
}

function* textOf(before: string, pages: Iterable<readonly Recorded[]>): Generator<string> {
  yield `${JSON.stringify({ before })}\n`
  for (const entries of pages) yield entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')
}

async function pageOf(path: string, after: number, most: number): Promise<LogPage> {
  const entries: Recorded[] = []
  let before = ''
  let size = 0
  for await (const line of linesOf(path)) {
    const read = JSON.parse(line) as Recorded & { readonly before?: string }
    if (read.before !== undefined) before = read.before
    else if (read.entry <= after) before = read.hash
    else entries.push(read)
    if (entries.length > 0) size += line.length
    if (entries.length >= most || size > mostText) break
  }
  return { before, entries }
}

/** Throws what reading or unpacking meets; whoever leaves early closes the file. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const text = createGunzip().setEncoding('utf8')
  // Its error, if it has one, is thrown by the loop as well.
  pipeline(createReadStream(path), text).catch(() => {})
  let rest = ''
  for await (const piece of text as AsyncIterable<string>) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

async function flush(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  await handle.sync()
  await handle.close()
}

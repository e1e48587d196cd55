/** Reads a gateway file: YAML or JSON, from a path or from standard input. What it means is the server's to check. */
import { createReadStream } from 'node:fs'
import { badDocument, unreadableFile } from './problems.ts'

/** As much as the server takes; keeps a path such as /dev/zero from filling the memory. */
const most = 64 * 1024 * 1024

/** The value that the file holds, unchecked. Throws a Problem. */
export async function readGatewayFile(path: string, stdin: AsyncIterable<Uint8Array>): Promise<unknown> {
  const bytes = await gather(path === '-' ? stdin : createReadStream(path)).catch(
    (error: NodeJS.ErrnoException) => {
      throw unreadableFile(path, reasons[error.code ?? ''] ?? error.message)
    },
  )
  return parseGatewayText(decode(bytes))
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
}

async function gather(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of source) {
    size += chunk.length
    if (size > most) throw new Error(`it is larger than ${most / 1024 / 1024} MiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw badDocument('it is not text in UTF-8')
  }
}

/** JSON has its own way in because it is ten times as fast; what is no JSON may still be YAML's `{ version: 1 }`. */
async function parseGatewayText(text: string): Promise<unknown> {
  if (text.trim() === '') throw badDocument('it is empty')
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text)
    } catch {
      // YAML contains JSON and names line and column, where the message of JSON.parse quotes the file.
    }
  }
  return parseYaml(text)
}

const noAliases = 'aliases (*name) are not taken here; put what is shared under lists: instead'

/** Aliases are refused: a few lines of them unfold to gigabytes of JSON, and lists say the same by name. */
async function parseYaml(text: string): Promise<unknown> {
  const { CORE_SCHEMA, load, YAMLException } = await import('js-yaml')
  try {
    return load(text, { schema: CORE_SCHEMA, maxAliases: 0 })
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error
    const { mark, reason } = error
    throw badDocument(
      reason.startsWith('aliases') ? noAliases : reason.slice(0, 100),
      mark === undefined ? undefined : `${mark.line + 1}:${mark.column + 1}`,
    )
  }
}

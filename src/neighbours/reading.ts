/** What is known of installed software without running it. */
import { readFileSync } from 'node:fs'

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The version of a Debian package, or null where it is not installed by dpkg. */
export function debianVersion(name: string): string | null {
  const status = readText('/var/lib/dpkg/status') ?? ''
  const from = status.indexOf(`Package: ${name}\n`)
  if (from < 0 || (from > 0 && status[from - 1] !== '\n')) return null
  const entry = status.slice(from, status.indexOf('\n\n', from))
  return /^Version: (.+)$/m.exec(entry)?.[1] ?? null
}

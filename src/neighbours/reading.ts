/** What is known of installed software without running it. */
import { readFileSync, statSync } from 'node:fs'

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

const packageList = '/var/lib/dpkg/status'

/** The version of a Debian package, or null where it is not installed by dpkg. */
export type VersionOf = (name: string) => string | null

/** The list is a megabyte, and asked for at every look: it is read when it has changed. */
export function packageVersions(): VersionOf {
  let known = { at: -1, versions: new Map<string, string | null>() }
  return (name) => {
    const at = statSync(packageList, { throwIfNoEntry: false })?.mtimeMs ?? 0
    if (at !== known.at) known = { at, versions: new Map() }
    const version = known.versions.get(name) ?? (known.versions.has(name) ? null : readVersion(name))
    known.versions.set(name, version)
    return version
  }
}

function readVersion(name: string): string | null {
  const status = readText(packageList) ?? ''
  const from = status.indexOf(`Package: ${name}\n`)
  if (from < 0 || (from > 0 && status[from - 1] !== '\n')) return null
  const entry = status.slice(from, status.indexOf('\n\n', from))
  return /^Version: (.+)$/m.exec(entry)?.[1] ?? null
}

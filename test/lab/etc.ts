/** A copy of /etc that only those programs see that are started under it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Lab } from './lab.ts'
import { run } from './process.ts'

export interface Etc {
  /** What goes before a command that is to see it. */
  readonly under: readonly string[]
  /** Writes `nftables.conf`, `iptables/rules.v4`, … */
  writes(name: string, text: string): Promise<void>
  removes(name: string): Promise<void>
}

const script =
  'mount --bind "$1/etc" /etc && mount --bind "$1/status" /var/lib/dpkg/status && shift && exec "$@"'

/** `packages` are added to those that dpkg knows of. */
export async function privateEtc(lab: Lab, packages = ''): Promise<Etc> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-etc-'))
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  await run(['cp', '-a', '/etc', '/var/lib/dpkg/status', directory])
  await writeFile(join(directory, 'status'), packages, { flag: 'a' })
  const at = (name: string) => join(directory, 'etc', name)
  return {
    under: ['unshare', '--mount', 'sh', '-ec', script, 'etc', directory],
    writes: async (name, text) => {
      await mkdir(dirname(at(name)), { recursive: true })
      await writeFile(at(name), text)
    },
    removes: (name) => rm(at(name)),
  }
}

/** Who is asked for names: /etc/hosts first, then the servers of /etc/resolv.conf, as hosts(5) and resolv.conf(5) say. */
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type Address, readAddress } from '../../model/address.ts'

export interface Sources {
  readonly servers: readonly string[]
  /** Domains that are tried behind a name without a dot, in their order. */
  readonly search: readonly string[]
  readonly hosts: ReadonlyMap<string, readonly Address[]>
}

/** Gives what the files say now; they are read anew when they have changed. */
export function sourcesIn(directory = '/etc'): () => Sources {
  const resolv = following(join(directory, 'resolv.conf'), readResolv)
  const hosts = following(join(directory, 'hosts'), readHosts)
  return () => ({ ...resolv(), hosts: hosts() })
}

/** Without a server the one of this machine is asked (resolv.conf(5)). Of several `search` lines the last one counts. */
function readResolv(text: string): Pick<Sources, 'servers' | 'search'> {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const servers = lines.flatMap(([key, value = '']) =>
    key === 'nameserver' && isIP(value.replace(/%.*/, '')) ? [value] : [],
  )
  const search = lines.findLast(([key]) => key === 'search' || key === 'domain')?.slice(1) ?? []
  return {
    servers: servers.length > 0 ? servers : ['127.0.0.1'],
    search: search.map((domain) => domain.toLowerCase().replace(/^\.|\.$/g, '')).filter((one) => one !== ''),
  }
}

function readHosts(text: string): ReadonlyMap<string, readonly Address[]> {
  const found = new Map<string, Address[]>()
  for (const line of text.split('\n')) {
    const [first = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const address = readAddress(first)
    if (!address) continue
    for (const name of names.map((one) => one.toLowerCase())) {
      const known = found.get(name) ?? []
      found.set(name, [...known, address])
    }
  }
  return found
}

/** A file that cannot be read is an empty one, as for the C library. */
function following<T>(path: string, read: (text: string) => T): () => T {
  let stamp: string | undefined
  let value: T
  return () => {
    const now = stampOf(path)
    if (stamp !== now) {
      value = read(now === '' ? '' : readFileSync(path, 'utf8'))
      stamp = now
    }
    return value
  }
}

function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found ? `${found.ino} ${found.size} ${found.mtimeMs}` : ''
}

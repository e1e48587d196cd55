/**
 * From the number of a cgroup to its path and its processes. The number that sock_diag gives with a socket is the inode
 * of the directory (cgroup_id() in include/linux/cgroup.h), so nothing but reading directories is needed.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/** A machine full of containers has some hundred; what is not found among so many is not looked for further. */
const mostDirectories = 5000

export interface Cgroup {
  /** Without the place where the hierarchy is mounted: `system.slice/nginx.service`. */
  readonly path: string
  readonly pids: readonly number[]
}

/** Where the unified hierarchy is mounted: mountinfo in proc(5). */
export function cgroupRoot(): string | undefined {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.find((line) => / - cgroup2 /.test(line))?.split(' ')[4]
}

export function findCgroup(root: string, id: bigint): Cgroup | undefined {
  const waiting = [root]
  for (let looked = 0; looked < mostDirectories; looked += 1) {
    const directory = waiting.shift()
    if (directory === undefined) return undefined
    try {
      if (statSync(directory, { bigint: true }).ino === id) return read(root, directory)
      const entries = readdirSync(directory, { withFileTypes: true })
      waiting.push(...entries.filter((one) => one.isDirectory()).map(({ name }) => join(directory, name)))
    } catch {
      // It has gone since.
    }
  }
  return undefined
}

function read(root: string, directory: string): Cgroup {
  const lines = readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')
  // A process of another pid namespace is told as 0.
  return { path: relative(root, directory), pids: lines.map(Number).filter((pid) => pid > 0) }
}

/** The innermost unit of systemd in a path: systemd.unit(5). */
export function unitIn(path: string): string | null {
  return path.split('/').findLast((part) => /\.(service|socket|scope)$/.test(part)) ?? null
}

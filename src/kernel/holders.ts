/**
 * Which program holds a listening socket. /proc/PID/fd would say it, but following its links needs CAP_SYS_PTRACE for
 * the processes of others, which is root in disguise. So the answer is found by exclusion: the socket was made in a known
 * cgroup, by a process of this network and of its user; when all that are left are one program, it is that one.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import type { Holder } from '../model/holder.ts'
import type { Listener } from '../model/listeners.ts'
import { cgroupRoot, findCgroup, unitIn } from './cgroups.ts'
import { type ListeningSocket, readAllSockets } from './listeners.ts'
import type { Netlink } from './netlink.ts'

/** Who holds each of these, in their order. What has gone since is told by its user alone. */
export function readHolders(netlink: Netlink, listeners: readonly Listener[]): Holder[] {
  const sockets = readAllSockets(netlink)
  const root = cgroupRoot()
  return listeners.map((listener) => {
    const same = sockets.filter((socket) => keyOf(socket) === keyOf(listener))
    return holderOf(root, listener.uid, same)
  })
}

const keyOf = ({ protocol, address, port, uid }: Listener) => [protocol, address, port, uid].join()

/** Several sockets share a port by SO_REUSEPORT. */
function holderOf(root: string | undefined, uid: number, sockets: readonly ListeningSocket[]): Holder {
  const cgroups = sockets.map(({ cgroup }) => (root && cgroup ? findCgroup(root, cgroup) : undefined))
  const units = new Set(cgroups.map((found) => (found ? unitIn(found.path) : null)))
  const known = cgroups.length > 0 && cgroups.every((found) => found !== undefined)
  const pids = known ? cgroups.flatMap((found) => found?.pids ?? []) : everyProcess()
  const inodes = new Set(sockets.map(({ inode }) => `socket:[${inode}]`))
  const [unit = null] = units.size === 1 ? units : []
  return { user: userName(uid), unit, ...programOf(candidates([...new Set(pids)], uid, inodes)) }
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly program: string
  /** Real, effective, saved and file system user. */
  readonly uids: readonly number[]
}

function candidates(pids: readonly number[], uid: number, inodes: ReadonlySet<string>): readonly Process[] {
  const network = networkOf('thread-self')
  const left = pids.flatMap((pid) => {
    if (networkOf(String(pid)) !== network) return []
    const found = readProcess(pid)
    // Root may have made the socket and become somebody else since; nobody else can have made a socket of another user.
    if (!found || (uid !== 0 && !found.uids.includes(uid))) return []
    const held = holds(pid, inodes)
    return held === false ? [] : [{ ...found, held }]
  })
  return left.some(({ held }) => held) ? left.filter(({ held }) => held) : left
}

/** One program, in as many processes as it likes: the eldest stands for them when the others are its children. */
function programOf(left: readonly Process[]): Pick<Holder, 'program' | 'pid'> {
  const [one] = left
  if (!one || left.some(({ program }) => program !== one.program)) return { program: null, pid: null }
  const pids = new Set(left.map(({ pid }) => pid))
  const eldest = left.filter(({ parent }) => !pids.has(parent))
  return { program: one.program, pid: eldest.length === 1 ? (eldest[0]?.pid ?? null) : null }
}

/** Undefined where we may not know. */
function holds(pid: number, inodes: ReadonlySet<string>): boolean | undefined {
  const directory = `/proc/${pid}/fd`
  try {
    return readdirSync(directory).some((name) => inodes.has(linkOf(`${directory}/${name}`)))
  } catch {
    return undefined
  }
}

/** A file that was closed meanwhile is none of those looked for. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/**
 * A number that is the same for processes of one network: the files of /proc/PID/net are made once for each
 * (proc_alloc_inum() in fs/proc/generic.c), and looking at them needs no privilege, unlike /proc/PID/ns/net.
 */
function networkOf(process: string): number | undefined {
  try {
    return statSync(`/proc/${process}/net/dev`).ino
  } catch {
    return undefined
  }
}

function readProcess(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? ''
    const uids = field('Uid').split('\t').map(Number)
    return { pid, parent: Number(field('PPid')), program: field('Name'), uids }
  } catch {
    return undefined
  }
}

function everyProcess(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
}

export function userName(uid: number): string {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  const entry = lines.map((line) => line.split(':')).find(([, , id]) => id === String(uid))
  return entry?.[0] ?? `uid ${uid}`
}

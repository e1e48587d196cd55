/**
 * A real dockerd in a machine of the lab, with directories of its own and an image made of one program. It wants root of the
 * machine: it makes cgroups, and mounts that a user namespace may not.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import { type Running, run } from './process.ts'

export interface Docker {
  /** Where it listens, in the words of `DOCKER_HOST`. */
  readonly socket: string
  /** `docker …`; throws with its words when it fails. */
  runs(...args: readonly string[]): Promise<string>
  /** Starts a container that answers on a TCP port with `says`, and gives its IPv4 address. */
  serves(name: string, port: number, says: string, ...options: readonly string[]): Promise<string>
  /** Stops the daemon in good order, and its containers with it. */
  stop(): Promise<void>
  /** Kills the daemon without a warning; its rules stay. */
  kill9(): Promise<void>
  start(): Promise<void>
  /** Has the daemon hang, or go on. */
  hang(hangs: boolean): void
}

const patience = 30_000

/** `/run` is covered, as dockerd writes to it whatever it is told. */
const alone = 'mount --make-rprivate / && mount -t tmpfs tmpfs /run && exec "$@"'

export async function startDocker(
  lab: Lab,
  host: Host,
  options: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Docker> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-docker-'))
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  const socket = `unix://${directory}/docker.sock`
  const places = ['--data-root', 'data', '--exec-root', 'exec', '--pidfile', 'pid'].map((word, at) =>
    at % 2 === 0 ? word : join(directory, word),
  )
  // Of the storage drivers this one works on every file system.
  const both = [
    '--storage-driver',
    'vfs',
    '--experimental',
    '--ip6tables',
    '--ipv6',
    '--fixed-cidr-v6',
    'fd00:d::/64',
  ]
  const command = ['dockerd', '-H', socket, ...places, ...both, ...options]
  const runs = (...args: readonly string[]) => host.run('docker', ['-H', socket, ...args])
  let daemon: Running | undefined
  const start = async () => {
    await endContainers(directory)
    const started = host.spawn('unshare', ['--mount', 'sh', '-ec', alone, 'dockerd', ...command], env)
    daemon = started
    await started.says(/API listen on /, patience)
  }
  const kill9 = async () => {
    await daemon?.end('SIGKILL')
    daemon = undefined
    await endContainerd(directory)
  }
  const stop = async () => {
    // It waits for its containers, longer than anything else is waited for.
    if (daemon) process.kill(daemon.pid, 'SIGTERM')
    await daemon?.ended
    daemon = undefined
    await endContainerd(directory)
  }
  lab.defer(async () => {
    await endContainerd(directory)
    await endContainers(directory)
  })
  await start()
  await mkdir(join(directory, 'image', 'bin'), { recursive: true })
  await run(['cp', '/bin/busybox', join(directory, 'image', 'bin')])
  await run(['tar', '-C', join(directory, 'image'), '-cf', join(directory, 'image.tar'), '.'])
  await runs('import', join(directory, 'image.tar'), 'busybox')
  return {
    socket,
    runs,
    serves: async (name, port, says, ...more) => {
      const server = ['nc', '-ll', '-p', `${port}`, '-e', '/bin/busybox', 'echo', says]
      await runs('run', '--detach', '--name', name, ...more, 'busybox', '/bin/busybox', ...server)
      return (await runs('inspect', '--format', '{{.NetworkSettings.IPAddress}}', name)).trim()
    },
    stop,
    kill9,
    start,
    hang: (hangs) => void (daemon && process.kill(daemon.pid, hangs ? 'SIGSTOP' : 'SIGCONT')),
  }
}

/**
 * It goes with its dockerd, but where nobody reaps it, the next dockerd takes the dead one for a living one: its pid file
 * must not name it any more.
 */
async function endContainerd(directory: string): Promise<void> {
  const path = join(directory, 'exec', 'containerd', 'containerd.pid')
  const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0
  for (let waited = 0; pid > 1 && waited < 5000 && lives(pid); waited += 50) {
    process.kill(pid, 'SIGTERM')
    await sleep(50)
  }
  await rm(path, { force: true })
}

/**
 * Containers outlive a dockerd that was killed. The next one would end them, but for what it needs to know of them that was in
 * the `/run` of the one before: then two networks have the same address.
 */
async function endContainers(directory: string): Promise<void> {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8')
    } catch {
      return ''
    }
  }
  const shims = all.filter(
    (pid) => /^\S*containerd-shim.*/.test(read(pid, 'cmdline')) && read(pid, 'cmdline').includes(directory),
  )
  const inside = all.filter((pid) => shims.includes(/^PPid:\s+(\d+)$/m.exec(read(pid, 'status'))?.[1] ?? ''))
  for (const pid of [...inside, ...shims].map(Number)) {
    if (lives(pid)) process.kill(pid, 'SIGKILL')
    for (let waited = 0; waited < 5000 && lives(pid); waited += 50) await sleep(50)
  }
}

function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** A real ufw in the gateway, with files of its own: what it writes to /etc/ufw is seen in here only. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lab } from './lab.ts'
import { run } from './process.ts'
import { alone } from './root.ts'

export interface Ufw {
  /** What goes before a command that is to see these files. */
  readonly under: readonly string[]
  /** `ufw …`; throws with its words when it fails. */
  runs(...args: readonly string[]): Promise<string>
  /** Where its files lie. */
  readonly etc: string
}

/** Its files are for root of the machine to read, and it wants their owners as they are. */
export const canRunUfw = !alone

/** What it would ask a person about. */
const asks = ['enable', 'reset', 'delete']

const script = 'mount --bind "$1/etc" /etc/ufw && shift && exec "$@"'

export async function startUfw({ gateway, defer }: Lab): Promise<Ufw> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-ufw-'))
  defer(() => rm(directory, { recursive: true, force: true }))
  await run(['cp', '-a', '/etc/ufw', join(directory, 'etc')])
  // Its rules as the package has them, whatever somebody has made of them here.
  await run([
    'sh',
    '-ec',
    'install -m 640 /usr/share/ufw/iptables/*.rules "$1"',
    'ufw',
    join(directory, 'etc'),
  ])
  const under = ['unshare', '--mount', 'sh', '-ec', script, 'ufw', directory]
  const [file = '', ...args] = under
  return {
    under,
    etc: join(directory, 'etc'),
    runs: (...command) =>
      gateway.run(file, [
        ...args,
        'ufw',
        ...(asks.includes(command[0] ?? '') ? ['--force'] : []),
        ...command,
      ]),
  }
}

/** A real sshd on the gateway, and sessions with it, as an administrator has them. */
import { mkdirSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lab } from './lab.ts'
import type { Result } from './process.ts'

export interface Session {
  /** Runs a command in this session: over its one TCP connection. */
  runs(command: string): Promise<Result>
  end(): Promise<void>
}

export interface Sshd {
  /** Logs in from the client; rejects when that cannot be done. */
  session(port?: number): Promise<Session>
  /** Runs a command in a session of its own. */
  runs(command: string): Promise<Result>
}

export async function startSshd({ client, gateway, defer }: Lab): Promise<Sshd> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-ssh-'))
  defer(() => rm(directory, { recursive: true, force: true }))
  const file = (name: string) => join(directory, name)
  for (const key of ['host', 'key'])
    await client.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(key)])
  await writeFile(
    file('config'),
    [
      `HostKey ${file('host')}`,
      `AuthorizedKeysFile ${file('key')}.pub`,
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'PidFile none',
      '',
    ].join('\n'),
  )
  await chmod(directory, 0o755)
  mkdirSync('/run/sshd', { recursive: true })
  const daemon = gateway.spawn('/usr/sbin/sshd', ['-D', '-e', '-f', file('config')])
  await daemon.says(/Server listening on :: port 22/)

  let sessions = 0
  const common = ['-F', 'none', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=3', '-i', file('key')]
  const trusting = [
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
  ]
  const there = `root@${gateway.outside}`
  return {
    async session(port = 22) {
      sessions += 1
      const control = file(`session-${sessions}`)
      const held = client.spawn('ssh', [
        ...common,
        ...trusting,
        '-p',
        String(port),
        '-M',
        '-S',
        control,
        there,
        'echo in; sleep 600',
      ])
      await held.says(/^in$/m)
      return {
        runs: (command) => client.tries('ssh', [...common, '-S', control, there, command]),
        end: () => held.end(),
      }
    },
    runs: (command) => client.tries('ssh', [...common, ...trusting, there, command]),
  }
}

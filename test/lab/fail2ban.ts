/** The real Fail2Ban in the gateway of a lab, with a configuration, a socket and a database of its own. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Lab } from './lab.ts'

export interface Jail {
  readonly name: string
  /** A file of Debian's action.d, with its parameters: `nftables[type=allports]`. */
  readonly action: string
}

export interface Fail2ban {
  bans(jail: string, ...addresses: readonly string[]): Promise<void>
  unbans(jail: string, ...addresses: readonly string[]): Promise<void>
  /** Writes lines into the log that all jails watch: `failed login from ADDRESS`. */
  logs(...lines: readonly string[]): Promise<void>
  client(...words: readonly string[]): Promise<string>
  /** Ends it as `systemctl stop` does. */
  stop(): Promise<void>
}

const patience = 20_000

const jailOf = (directory: string, { name, action }: Jail) => `[${name}]
enabled = true
backend = polling
filter = drawbridge
logpath = ${directory}/test.log
action = ${action}
bantime = 600
findtime = 600
maxretry = 2
usedns = no
ignoreself = false
`

export async function startFail2ban(lab: Lab, jails: readonly Jail[]): Promise<Fail2ban> {
  const directory = await mkdtemp(join(tmpdir(), 'fail2ban-'))
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  const log = join(directory, 'test.log')
  await cp('/etc/fail2ban/action.d', join(directory, 'action.d'), { recursive: true })
  await mkdir(join(directory, 'filter.d'))
  const settings = {
    loglevel: 'INFO',
    logtarget: 'STDOUT',
    syslogsocket: 'auto',
    socket: join(directory, 'socket'),
    pidfile: join(directory, 'pid'),
    dbfile: 'None',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  await writeFile(join(directory, 'fail2ban.conf'), `[Definition]\n${lines.join('')}`)
  await writeFile(
    join(directory, 'filter.d/drawbridge.conf'),
    '[Definition]\nfailregex = ^\\s*failed login from <HOST>$\n',
  )
  await writeFile(join(directory, 'jail.conf'), jails.map((one) => jailOf(directory, one)).join('\n'))
  await writeFile(log, '')
  const where = ['-c', directory, '-s', settings.socket, '-p', settings.pidfile]
  const client = (...words: readonly string[]) => lab.gateway.run('fail2ban-client', [...where, ...words])
  const server = lab.gateway.spawn('fail2ban-server', [...where, '-f', 'start'])
  const answering = async () => (await lab.gateway.tries('fail2ban-client', [...where, 'status'])).stdout
  for (const { name } of jails) await expect.poll(answering, { timeout: patience }).toContain(name)
  return {
    bans: async (jail, ...addresses) => void (await client('set', jail, 'banip', ...addresses)),
    unbans: async (jail, ...addresses) => void (await client('set', jail, 'unbanip', ...addresses)),
    logs: (...lines) => writeFile(log, lines.map((line) => `${stamp()} ${line}\n`).join(''), { flag: 'a' }),
    client,
    stop: async () => {
      await client('stop')
      await server.ended
    },
  }
}

/** As Fail2Ban reads it, in local time. */
function stamp(): string {
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000)
  return now.toISOString().slice(0, 19).replace('T', ' ')
}

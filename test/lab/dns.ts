/** Real name servers on this network's loopback or a lab's gateway: dnsmasq and unbound, each with files of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Running, start } from './process.ts'

type Starts = (command: string, args: readonly string[]) => Running

export interface NameServer {
  /** Replaces the addresses of its names (lines of hosts(5)), and has it read them. */
  says(hosts: string): Promise<void>
  /** Ends without a word, and is silent from then on. */
  kill9(): Promise<void>
  start(): Promise<void>
  end(): Promise<void>
}

const here: Starts = (command, args) => start([command, ...args])

/** `ttl` is that of the names in `hosts`; `lines` are more of its configuration. */
export async function startDnsmasq(
  options: { address: string; ttl?: number; lines?: readonly string[]; hosts?: string },
  starts: Starts = here,
): Promise<NameServer> {
  const directory = await mkdtemp(join(tmpdir(), 'dnsmasq-'))
  const [config, hosts] = [join(directory, 'dnsmasq.conf'), join(directory, 'hosts')]
  const fixed = ['no-resolv', 'no-hosts', 'bind-interfaces', 'user=root', 'log-queries', 'log-facility=-']
  const own = [
    `listen-address=${options.address}`,
    `addn-hosts=${hosts}`,
    `local-ttl=${options.ttl ?? 1}`,
    'local=/example.org/',
  ]
  await writeFile(config, [...fixed, ...own, ...(options.lines ?? [])].map((line) => `${line}\n`).join(''))
  await writeFile(hosts, options.hosts ?? '')
  let running: Running | undefined
  const begin = async () => {
    running = starts('dnsmasq', ['--keep-in-foreground', `--conf-file=${config}`])
    await running.says(/read .*hosts/)
  }
  await begin()
  const reads = () => running?.output().match(/read .*hosts/g)?.length ?? 0
  return {
    says: async (text) => {
      await writeFile(hosts, text)
      const before = reads()
      process.kill(running?.pid ?? 0, 'SIGHUP')
      while (reads() === before) await new Promise((resolve) => setTimeout(resolve, 10))
    },
    kill9: async () => {
      await running?.end('SIGKILL')
    },
    start: begin,
    end: async () => {
      await running?.end()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** `server` are lines within its clause `server:`, `rest` are clauses behind it. */
export async function startUnbound(
  options: { address: string; server: readonly string[]; rest?: readonly string[] },
  starts: Starts = here,
): Promise<Pick<NameServer, 'end'>> {
  const directory = await mkdtemp(join(tmpdir(), 'unbound-'))
  const config = join(directory, 'unbound.conf')
  const fixed = [
    'server:',
    `interface: ${options.address}`,
    `directory: ${directory}`,
    ...['chroot', 'username', 'pidfile', 'logfile'].map((key) => `${key}: ""`),
    ...['use-syslog: no', 'access-control: 0.0.0.0/0 allow', 'do-not-query-localhost: no'],
    ...['module-config: iterator', 'num-threads: 1', 'verbosity: 1'],
  ]
  const lines = [
    ...fixed,
    ...options.server,
    ...(options.rest ?? []),
    'remote-control:',
    'control-enable: no',
  ]
  await writeFile(config, lines.map((line) => `${line}\n`).join(''))
  const running = starts('unbound', ['-d', '-c', config])
  await running.says(/start of service/)
  return {
    end: async () => {
      await running.end()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

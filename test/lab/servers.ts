/** Real servers, with nothing but the configuration they need, in a directory that goes with the lab. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AskOptions, Host } from './host.ts'
import type { Protocol } from './inside/protocol.ts'
import type { Lab } from './lab.ts'
import type { Running } from './process.ts'

/** A web server that answers every path with `text` and the address of whom it sees. */
export async function startNginx(lab: Lab, host: Host, port: number, text: string): Promise<Running> {
  const directory = await privateDirectory(lab, 'nginx')
  const configuration = join(directory, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  )
  await writeFile(
    configuration,
    `user root; daemon off; master_process off; pid ${directory}/pid; error_log stderr;
    events {}
    http {
      access_log off;
      ${temporary.join('\n')}
      server { listen ${port}; listen [::]:${port}; location / { return 200 "${text} for $remote_addr\\n"; } }
    }`,
  )
  const command = ['-e', 'stderr', '-p', directory, '-c', configuration]
  return listening(host, 'tcp', port, host.spawn('nginx', command))
}

/** A name server for both protocols that knows these names. */
export async function startDnsmasq(
  host: Host,
  port: number,
  names: Readonly<Record<string, string>>,
): Promise<Running> {
  const records = Object.entries(names).map(([name, address]) => `--address=/${name}/${address}`)
  // With a user map of one user, dnsmasq could not become another.
  const plain = ['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--pid-file']
  const own = ['--user=root', '--group=', '--log-queries', '--log-facility=-', `--port=${port}`]
  return listening(host, 'tcp', port, host.spawn('dnsmasq', [...plain, ...own, ...records]))
}

export async function startRedis(lab: Lab, host: Host, port: number): Promise<Running> {
  const directory = await privateDirectory(lab, 'redis')
  const options = ['--port', `${port}`, '--dir', directory, '--save', '', '--protected-mode', 'no']
  return listening(host, 'tcp', port, host.spawn('redis-server', [...options, '--bind', '*', '-::*']))
}

export interface Firewalld {
  /** `firewall-cmd …`; throws with its words when it fails. */
  runs(...words: readonly string[]): Promise<string>
  /** The bus by which other programs find it. */
  readonly env: NodeJS.ProcessEnv
  /** What goes before a command that is to find it, and its files, where they are on a real machine. */
  readonly under: readonly string[]
}

/** The machine's own bus and files are covered. */
const found =
  'mkdir -p /run/dbus && mount -t tmpfs tmpfs /run/dbus && ln -s "$1/bus" /run/dbus/system_bus_socket && mount --bind "$1/etc" /etc/firewalld && shift && exec "$@"'

/** firewalld with a bus and files of its own: those of the machine are for its root. */
export async function startFirewalld(
  lab: Lab,
  host: Host,
  backend: 'nftables' | 'iptables' = 'nftables',
): Promise<Firewalld> {
  const directory = await privateDirectory(lab, 'firewalld')
  const anybody =
    '<allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
  const configuration = `<busconfig><type>system</type><listen>unix:path=${directory}/bus</listen>
    <auth>EXTERNAL</auth><policy context="default">${anybody}</policy></busconfig>`
  await writeFile(join(directory, 'bus.conf'), configuration)
  const bus = ['--config-file', join(directory, 'bus.conf'), '--nofork', '--nopidfile', '--print-address=1']
  await host.spawn('dbus-daemon', bus).says(/^unix:/m)
  const env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${directory}/bus` }
  const files = join(directory, 'etc')
  await mkdir(files)
  await writeFile(join(files, 'firewalld.conf'), `FirewallBackend=${backend}\n`)
  const own = 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && exec "$@"'
  const options = ['--nofork', '--nopid', '--system-config', files]
  const world = ['--mount', 'sh', '-ec', own, 'firewalld']
  const firewalld = host.spawn('unshare', [...world, 'firewalld', ...options], env)
  for (let waited = 0; waited < 4 * patience; waited += 100) {
    if ((await host.tries('firewall-cmd', ['--state'], { env })).code === 0) {
      const under = ['unshare', '--mount', 'sh', '-ec', found, 'firewalld', directory]
      return { runs: (...words) => host.run('firewall-cmd', words, { env }), env, under }
    }
    await Promise.race([sleep(100), firewalld.ended])
  }
  throw new Error(`firewalld does not run; it printed:\n${firewalld.output()}`)
}

/** The page that a web server gives. */
export async function asksWeb(
  host: Host,
  address: string,
  port: number,
  options?: AskOptions,
): Promise<string> {
  const request = 'GET / HTTP/1.0\r\nHost: lab\r\n\r\n'
  const reply = await host.exchanges(address, port, request, options)
  return reply.slice(reply.indexOf('\r\n\r\n') + 4).trim()
}

/** The IPv4 address that a name server has for a name (RFC 1035, section 4). */
export async function asksDns(
  host: Host,
  address: string,
  port: number,
  name: string,
  options: AskOptions = {},
): Promise<string> {
  const labels = name.split('.').map((label) => `${String.fromCharCode(label.length)}${label}`)
  const query = `\x12\x34\x01\0\0\x01\0\0\0\0\0\0${labels.join('')}\0\0\x01\0\x01`
  const framed = options.protocol === 'tcp' ? `\0${String.fromCharCode(query.length)}${query}` : query
  const reply = await host.exchanges(address, port, framed, {
    protocol: 'udp',
    ...options,
    // A name server keeps a TCP connection for more questions, unless there will be none.
    halfClose: true,
  })
  // One answer, so its address is the end of the message.
  return [...reply.slice(-4)].map((byte) => byte.charCodeAt(0)).join('.')
}

export async function privateDirectory(lab: Lab, name: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `drawbridge-${name}-`))
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  return directory
}

const patience = 5000

export async function listening(
  host: Host,
  protocol: Protocol,
  port: number,
  server: Running,
): Promise<Running> {
  for (let waited = 0; waited < patience; waited += 20) {
    if (await host.listens(protocol, port)) return server
    await Promise.race([sleep(20), server.ended.then(fail)])
  }
  return fail()

  function fail(): never {
    throw new Error(
      `nothing listens on ${protocol} port ${port} of ${host.name}; the server printed:\n${server.output()}`,
    )
  }
}

/** Real databases and other servers for checks of health, each with files of its own that go with the lab. */
import { appendFile, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import { type Running, run } from './process.ts'
import { listening, privateDirectory } from './servers.ts'

/** PostgreSQL takes no root, so it runs as the user of its package. `method` is that of pg_hba.conf for everybody. */
export async function startPostgres(
  lab: Lab,
  host: Host,
  port: number,
  { method = 'scram-sha-256', options = [] }: { method?: string; options?: readonly string[] } = {},
): Promise<Running> {
  const directory = await privateDirectory(lab, 'postgres')
  const [uid, gid] = await userOf('postgres')
  await chown(directory, uid, gid)
  const as = ['setpriv', '--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups']
  const version = (await readdir('/usr/lib/postgresql')).sort().at(-1) ?? ''
  const program = (name: string) => `/usr/lib/postgresql/${version}/bin/${name}`
  const data = join(directory, 'data')
  await run([...as, program('initdb'), '-D', data, '-A', 'trust', '-N'])
  await appendFile(join(data, 'pg_hba.conf'), `host all all 0.0.0.0/0 ${method}\n`)
  const words = [
    program('postgres'),
    '-D',
    data,
    '-p',
    `${port}`,
    '-k',
    directory,
    '-c',
    'listen_addresses=*',
  ]
  const [file = '', ...rest] = [...as, ...words, ...options.flatMap((one) => ['-c', one])]
  return host.spawn(file, rest)
}

async function userOf(name: string): Promise<readonly [uid: number, gid: number]> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n')
  const [, , uid, gid] = lines.map((line) => line.split(':')).find(([one]) => one === name) ?? []
  return [Number(uid), Number(gid)]
}

const client = `insert into global_priv values ('%', 'app', '{}');`
const system = '/usr/share/mysql'
const small = ['--no-defaults', '--user=root', '--innodb-buffer-pool-size=8M', '--innodb-log-file-size=4M']

/** MariaDB, with the tables that say who may connect, and one client who may from anywhere. */
export async function startMariadb(
  lab: Lab,
  host: Host,
  port: number,
  options: readonly string[] = [],
): Promise<Running> {
  const directory = await privateDirectory(lab, 'mariadb')
  const data = join(directory, 'data')
  await mkdir(data)
  const tables = await Promise.all(
    ['mysql_system_tables', 'mysql_system_tables_data'].map((name) =>
      readFile(`${system}/${name}.sql`, 'utf8'),
    ),
  )
  const input = [
    'create database mysql;',
    'use mysql;',
    'set @auth_root_socket=NULL;',
    ...tables,
    client,
  ].join('\n')
  await run(['mariadbd', ...small, '--bootstrap', `--datadir=${data}`], { input })
  const places = [`--datadir=${data}`, `--socket=${directory}/s`, `--pid-file=${directory}/pid`]
  const network = [`--port=${port}`, '--bind-address=0.0.0.0']
  const words = [...(await apart(directory)), 'mariadbd', ...small, ...places, ...network, ...options]
  const server = host.spawn('unshare', words)
  await server.says(/ready for connections/)
  return server
}

/**
 * A /run of its own, no name server, as those that look for the client's name first would wait for it, and the gateway known
 * by name: without one MariaDB forgets who has broken off its handshakes.
 */
async function apart(directory: string): Promise<readonly string[]> {
  const hosts = join(directory, 'hosts')
  await writeFile(hosts, '127.0.0.1 localhost\n10.0.0.1 gateway\n')
  const mounts = [
    'mount -t tmpfs tmpfs /run',
    'mount --bind /dev/null /etc/resolv.conf',
    `mount --bind ${hosts} /etc/hosts`,
  ]
  return ['--mount', 'sh', '-ec', [...mounts, 'exec "$@"'].join(' && '), 'own']
}

/** OpenSMTPD. */
export async function startSmtpd(lab: Lab, host: Host, port: number): Promise<Running> {
  const directory = await privateDirectory(lab, 'smtpd')
  const file = join(directory, 'smtpd.conf')
  const rules = ['action "local" maildir', 'match for local action "local"']
  await writeFile(file, `listen on 0.0.0.0 port ${port}\n${rules.join('\n')}\n`)
  return host.spawn('unshare', [...(await apart(directory)), 'smtpd', '-d', '-f', file])
}

/** nginx with TLS and a certificate of its own for so many days, that tells the name it was asked for. */
export async function startTlsNginx(lab: Lab, host: Host, port: number, days: number): Promise<Running> {
  const directory = await privateDirectory(lab, 'tls')
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const subject = ['-subj', '/CN=app.example.org', '-days', `${days}`]
  await run(
    [
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      ...subject,
    ].concat(['-keyout', key, '-out', certificate]),
  )
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  )
  const file = join(directory, 'nginx.conf')
  await writeFile(
    file,
    `user root; daemon off; master_process off; pid ${directory}/pid; error_log stderr;
    events {}
    http {
      access_log off; ${temporary.join(' ')}
      server {
        listen ${port} ssl; ssl_certificate ${certificate}; ssl_certificate_key ${key};
        location / { return 200 "host $http_host name $ssl_server_name"; }
        location /broken { return 503; }
        location /moved { return 302 http://169.254.169.254/; }
      }
    }`,
  )
  return listening(host, 'tcp', port, host.spawn('nginx', ['-e', 'stderr', '-p', directory, '-c', file]))
}

/** Forwards -> the configuration of an nginx of our own, its stream module alone. Pure: same input, same bytes. */
import type { Family } from '../../model/address.ts'
import { certificateKey, type ProxyFacts } from './haproxy.ts'
import type { Entry, Passage, Server } from './passages.ts'

/** As long as connection tracking remembers an idle connection (nf_conntrack_tcp_timeout_established). */
const idle = '432000s'

export function nginxText(passages: readonly Passage[], facts: ProxyFacts): string {
  const { directory, stamp, root } = facts
  const lines = [
    '# Made by Drawbridge; what is written here by hand is lost.',
    // Debian has it in a package of its own (libnginx-mod-stream).
    'load_module /usr/lib/nginx/modules/ngx_stream_module.so;',
    // As root it would have its workers become another user.
    ...(root ? ['user root;'] : []),
    'daemon off;',
    'worker_processes auto;',
    `pid ${directory}/nginx.master;`,
    'error_log stderr error;',
    'events {',
    '  worker_connections 65536;',
    '}',
    'stream {',
    '  access_log off;',
    '  proxy_connect_timeout 3s;',
    `  proxy_timeout ${idle};`,
    '  proxy_socket_keepalive on;',
    // Each direction ends by itself, as it does without a proxy (since nginx 1.21.4).
    '  proxy_half_close on;',
    '  tcp_nodelay on;',
    // A server name has up to 253 characters.
    '  map_hash_bucket_size 512;',
    // What is asked of a running one to know that it runs with this configuration.
    '  server {',
    `    listen unix:${directory}/nginx.sock;`,
    `    return "drawbridge-${stamp}\\n";`,
    '  }',
    ...passages.flatMap(upstreams),
    ...servers(passages, facts),
    '}',
  ]
  return `${lines.join('\n')}\n`
}

/** The ports of an opening lead to ports of their own, for which nginx has no words: each is a group of servers. */
function upstreams(passage: Passage): string[] {
  const { id, balance, servers } = passage
  return passage.entries.flatMap(({ port }) => [
    `  upstream ${id}_${port} {`,
    // So that all its workers count together.
    ...(counting[balance] ? [`    zone ${id}_${port} ${64 + servers.length}k;`] : []),
    ...balances[balance].map((line) => `    ${line};`),
    ...servers.map((server) => `    server ${place(server, port)}${share(server)};`),
    ...(servers.length === 0 ? ['    server 192.0.2.1:1 down;'] : []),
    '  }',
  ])
}

const balances = {
  'least-connections': ['least_conn'],
  'round-robin': [],
  random: ['random'],
  source: ['hash $remote_addr consistent'],
} as const satisfies Record<Passage['balance'], readonly string[]>

/** Memory that workers share costs each connection a lock. */
const counting: Readonly<Record<Passage['balance'], boolean>> = {
  'least-connections': true,
  'round-robin': true,
  random: false,
  source: false,
}

function place({ address, port }: Server, opening: number): string {
  const at = port.kind === 'fixed' ? port.value : opening + port.value
  return address.includes(':') ? `[${address}]:${at}` : `${address}:${at}`
}

/** One that cannot be reached is asked again at once: whether it is there is for the health check to say. */
function share({ weight }: Server): string {
  return weight === 0 ? ' down' : ` weight=${weight} max_fails=0`
}

/** One for each port of this machine; forwards that share an opening share it. */
function servers(passages: readonly Passage[], facts: ProxyFacts): string[] {
  const entries = passages.flatMap((passage) => passage.entries.map((entry) => ({ entry, passage })))
  const byLocal = Map.groupBy(entries, ({ entry }) => entry.local)
  return [...byLocal.values()].flatMap(([first, ...others]) =>
    first
      ? server(
          first.entry,
          first.passage,
          [first, ...others].map(({ passage }) => passage),
          facts,
        )
      : [],
  )
}

function server(
  { local, port }: Entry,
  { id, via, families }: Passage,
  passages: readonly Passage[],
  facts: ProxyFacts,
): string[] {
  const shared = via.sni !== null
  const present = families.filter((family) => facts.families.includes(family))
  return [
    ...(shared ? names(local, port, passages) : []),
    '  server {',
    ...present.map((family) => `    listen ${listenAt(family, local)}${via.tls ? ' ssl' : ''};`),
    ...(via.tls ? tls(facts.certificates.get(certificateKey(via.tls)) ?? '') : []),
    ...(shared ? ['    ssl_preread on;'] : []),
    ...(via.proxyProtocol ? ['    proxy_protocol on;'] : []),
    `    proxy_next_upstream ${via.retries > 0 ? 'on' : 'off'};`,
    ...(via.retries > 0 ? [`    proxy_next_upstream_tries ${via.retries + 1};`] : []),
    `    proxy_pass ${shared ? `$name_${local}` : `${id}_${port}`};`,
    '  }',
  ]
}

function listenAt(family: Family, port: number): string {
  return family === 4 ? `0.0.0.0:${port}` : `[::]:${port} ipv6only=on`
}

function tls(file: string): string[] {
  return [
    `    ssl_certificate ${file};`,
    `    ssl_certificate_key ${file};`,
    '    ssl_protocols TLSv1.2 TLSv1.3;',
  ]
}

/** By the server name in the first record of TLS (RFC 6066); who says nothing, or another name, is turned away. */
function names(local: number, port: number, passages: readonly Passage[]): string[] {
  return [
    `  map $ssl_preread_server_name $name_${local} {`,
    ...passages.map(({ id, via }) => `    "${via.sni}" ${id}_${port};`),
    '  }',
  ]
}

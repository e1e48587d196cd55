/** Forwards -> the configuration of an HAProxy of our own. Pure: same input, same bytes. */
import type { Family } from '../../model/address.ts'
import type { Certificate } from '../../model/via.ts'
import type { Entry, Passage, Server } from './passages.ts'
import { printPort, type Slotted } from './slots.ts'

export interface ProxyFacts {
  /** What is asked of a running one to know that it runs with this configuration. */
  readonly stamp: string
  /** Where its files and sockets are. */
  readonly directory: string
  /** Its runtime API. */
  readonly socket: string
  /** It runs as root of a user namespace that knows nobody else. */
  readonly root: boolean
  /** The families that this machine has. */
  readonly families: readonly Family[]
  /** The file with a certificate and its key, by `certificateKey`. */
  readonly certificates: ReadonlyMap<string, string>
}

/** By which a certificate and its key are known together. */
export function certificateKey({ certificate, key }: Certificate): string {
  return `${certificate} ${key}`
}

/** As long as connection tracking remembers an idle connection (nf_conntrack_tcp_timeout_established). */
const idle = '432000s'

export function haproxyText(passages: readonly Slotted[], facts: ProxyFacts): string {
  const lines = [
    '# Made by Drawbridge; what is written here by hand is lost.',
    'global',
    `  description drawbridge-${facts.stamp}`,
    // With that, a new process takes over the listening sockets of the one before.
    `  stats socket ${facts.socket} mode 600 level admin expose-fd listeners`,
    '  ssl-default-bind-options ssl-min-ver TLSv1.2',
    'defaults',
    '  mode tcp',
    '  timeout connect 3s',
    `  timeout client ${idle}`,
    `  timeout server ${idle}`,
    '  option clitcpka',
    '  option srvtcpka',
    ...frontends(passages, facts),
    ...passages.flatMap(backend),
  ]
  return `${lines.join('\n')}\n`
}

/** One for each port of this machine; forwards that share an opening share it. */
function frontends(passages: readonly Slotted[], facts: ProxyFacts): string[] {
  const entries = passages.flatMap((passage) => passage.entries.map((entry) => ({ entry, passage })))
  const byLocal = Map.groupBy(entries, ({ entry }) => entry.local)
  return [...byLocal.values()].flatMap(([first, ...others]) =>
    first
      ? frontend(
          first.entry,
          first.passage,
          [first, ...others].map(({ passage }) => passage),
          facts,
        )
      : [],
  )
}

function frontend(
  { local, port }: Entry,
  { id, via, families }: Slotted,
  passages: readonly Slotted[],
  facts: ProxyFacts,
): string[] {
  const tls = via.tls ? ` ssl crt ${facts.certificates.get(certificateKey(via.tls)) ?? ''}` : ''
  const binds = {
    4: `  bind 0.0.0.0:${local}${tls}`,
    6: `  bind [::]:${local} v6only${tls}`,
  } as const
  return [
    `frontend in_${local}`,
    ...families.filter((family) => facts.families.includes(family)).map((family) => binds[family]),
    // What it was before it was redirected. It costs two system calls to know where a connection came to.
    ...(passages.some(asksForPort) ? [`  tcp-request connection set-dst-port int(${port})`] : []),
    ...(via.sni === null ? [`  default_backend ${id}`] : byServerName(passages)),
  ]
}

/** For ports that follow that of the opening, and for the PROXY protocol. */
function asksForPort({ via, entries }: Passage): boolean {
  return via.proxyProtocol !== null || entries.length > 1
}

/** The first record of TLS says whom the client wants (RFC 6066); who says nothing, or somebody else, is turned away. */
function byServerName(passages: readonly Slotted[]): string[] {
  return [
    '  tcp-request inspect-delay 5s',
    '  tcp-request content accept if { req.ssl_hello_type 1 }',
    '  tcp-request content reject if WAIT_END',
    ...passages.map(({ id, via }) => `  use_backend ${id} if { req.ssl_sni -i ${via.sni} }`),
  ]
}

const balances = {
  'least-connections': ['balance leastconn'],
  'round-robin': ['balance roundrobin'],
  random: ['balance random(1)'],
  // Only with a ring of hashes can weights be changed while it runs.
  source: ['balance source', 'hash-type consistent'],
} as const satisfies Record<Passage['balance'], readonly string[]>

function backend(passage: Slotted): string[] {
  const { id, via, balance, slots, servers } = passage
  return [
    `backend ${id}`,
    ...balances[balance].map((line) => `  ${line}`),
    `  retries ${via.retries}`,
    ...(via.retries > 0 ? ['  option redispatch 1'] : []),
    ...(via.queue ? [`  timeout queue ${via.queue.wait}s`] : []),
    ...slots.map((slot, index) => `  server s${index + 1} ${place(slot, servers)}${options(passage)}`),
  ]
}

/** A name that means nothing has an address nobody is at, and takes no connection. */
function place(slot: Server | null, servers: readonly Server[]): string {
  if (slot) return `${address(slot.address)}:${printPort(slot.port)} weight ${slot.weight}`
  return servers[0]?.port.kind === 'shift' ? '192.0.2.1:+0 weight 0' : '192.0.2.1:1 weight 0'
}

function address(text: string): string {
  return text.includes(':') ? `[${text}]` : text
}

function options({ via }: Passage): string {
  const send = { v1: ' send-proxy', v2: ' send-proxy-v2' } as const
  return [
    via.queue ? ` maxconn ${via.queue.perTarget}` : '',
    via.proxyProtocol ? send[via.proxyProtocol] : '',
  ].join('')
}

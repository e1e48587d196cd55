/** A forward that goes through a proxy on this machine: for what translation in the kernel cannot do. */
import type { ForwardDocument } from './document.ts'
import type { Listen } from './listen.ts'
import { countPorts } from './ports.ts'
import { Problem, shown } from './problem.ts'

export type ProxyName = 'haproxy' | 'nginx'

/** A certificate with its chain, and its key: files of this machine in PEM. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

/** How many connections a target has at a time, and how long (in seconds) further ones wait for one to end. */
interface Queue {
  readonly perTarget: number
  readonly wait: number
}

export interface Via {
  readonly proxy: ProxyName
  /** The version of HAProxy's PROXY protocol in which targets are told the client's address; null: they are not. */
  readonly proxyProtocol: 'v1' | 'v2' | null
  /** Only TLS connections that ask for this server name; they are passed on as they are. */
  readonly sni: string | null
  /** TLS ends here; targets get what is inside. */
  readonly tls: Certificate | null
  readonly queue: Queue | null
  /** How often another target is tried when one cannot be reached, before the client notices. */
  readonly retries: number
}

const defaultRetries = 3
const mostRetries = 20
/** Each is a port of the proxy on this machine. */
const mostPorts = 100

/** A host name as TLS has it (RFC 6066): no address, no wildcard. */
const serverName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/
const filePath = /^(\/[A-Za-z0-9_@%+=:,.-]+)+$/

const proxyKeys = ['proxy_protocol', 'sni', 'tls', 'queue', 'retries'] as const

type Field = (name: string) => string

export function parseVia(field: Field, doc: ForwardDocument, listen: Listen): Via | null {
  const { via: proxy } = doc
  if (proxy === undefined) {
    const key = proxyKeys.find((one) => doc[one] !== undefined)
    if (key) throw Problem.of('needs-proxy', { field: field(key) })
    if (doc.balance === 'least-connections') throw Problem.of('needs-proxy', { field: field('balance') })
    return null
  }
  refuseOpening(field('via'), proxy, listen)
  const sni = doc.sni === undefined ? null : parseServerName(field('sni'), doc.sni)
  if (sni !== null && doc.tls !== undefined) {
    const why = 'with sni TLS is passed on, with tls it ends here'
    throw Problem.of('bad-via', { field: field('tls'), value: 'tls', why })
  }
  if (proxy === 'nginx') refuseForNginx(field, doc)
  return {
    proxy,
    proxyProtocol: doc.proxy_protocol ?? null,
    sni,
    tls: doc.tls === undefined ? null : parseCertificate(field('tls'), doc.tls),
    queue: doc.queue === undefined ? null : parseQueue(field('queue'), doc.queue),
    retries: within(field('retries'), doc.retries ?? defaultRetries, 0, mostRetries),
  }
}

function refuseOpening(field: string, proxy: ProxyName, listen: Listen): void {
  const bad = (why: string) => Problem.of('bad-via', { field, value: proxy, why })
  if (listen.kind === 'ping' || listen.protocols.includes('udp')) throw bad('a proxy takes TCP')
  if (countPorts(listen.ports) > mostPorts) throw bad(`a proxy takes at most ${mostPorts} ports of a forward`)
}

/** What the nginx of Debian leaves to its paid edition, or does not have. */
function refuseForNginx(field: Field, { proxy_protocol, queue }: ForwardDocument): void {
  const bad = (key: string, value: string, why: string) =>
    Problem.of('bad-via', { field: field(key), value, why })
  if (proxy_protocol === 'v2') throw bad('proxy_protocol', 'v2', 'nginx speaks version 1 to targets')
  if (queue !== undefined) throw bad('queue', 'queue', 'nginx has no queue for TCP')
}

function parseServerName(field: string, text: string): string {
  const name = text.trim().toLowerCase().replace(/\.$/, '')
  if (serverName.test(name) && !/(^|\.)\d+$/.test(name)) return name
  const expected = 'a server name such as app.example.org'
  throw Problem.of('bad-value', { field, value: shown(text), expected })
}

function parseCertificate(field: string, { certificate, key }: Certificate): Certificate {
  return {
    certificate: parsePath(`${field}.certificate`, certificate),
    key: parsePath(`${field}.key`, key),
  }
}

function parsePath(field: string, path: string): string {
  const plain = filePath.test(path) && path.length <= 1000 && !path.split('/').includes('..')
  if (!plain)
    throw Problem.of('bad-value', { field, value: shown(path), expected: 'the full path of a file' })
  return path
}

function parseQueue(field: string, { per_target, wait = 60 }: NonNullable<ForwardDocument['queue']>): Queue {
  return {
    perTarget: within(`${field}.per_target`, per_target, 1, 1_000_000),
    wait: within(`${field}.wait`, wait, 1, 3600),
  }
}

function within(field: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  const expected = `a whole number from ${least} to ${most}`
  throw Problem.of('bad-value', { field, value: shown(String(value)), expected })
}

export function printVia(via: Via | null): Partial<ForwardDocument> {
  if (!via) return {}
  const { proxy, proxyProtocol, sni, tls, queue, retries } = via
  return {
    via: proxy,
    ...(proxyProtocol && { proxy_protocol: proxyProtocol }),
    ...(sni !== null && { sni }),
    ...(tls && { tls: { ...tls } }),
    ...(queue && { queue: { per_target: queue.perTarget, wait: queue.wait } }),
    ...(retries !== defaultRetries && { retries }),
  }
}

/** `through haproxy for app.example.org, with PROXY protocol v2` */
export function describeVia({ proxy, proxyProtocol, sni, tls, queue }: Via): string {
  return [
    `through ${proxy}${sni === null ? '' : ` for TLS to ${sni}`}`,
    ...(tls ? [`TLS ends here with ${tls.certificate}`] : []),
    proxyProtocol
      ? `client address told by PROXY protocol ${proxyProtocol}`
      : "the gateway's own address shown",
    ...(queue ? [`${queue.perTarget} connections per target, others wait ${queue.wait} s`] : []),
  ].join(', ')
}

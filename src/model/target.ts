/** Where the traffic of a forward goes: one address per family, and how the ports map. */
import { type Address, readAddress, whyUnusableAsTarget, withPort } from './address.ts'
import { type Listen, listenFamily, printListen } from './listen.ts'
import { countPorts, type PortRange, parsePorts } from './ports.ts'
import { Problem, shown } from './problem.ts'

/** `same`: the port stays. `from`: the first port goes to `first`, the next to the one after it. `all`: every port to one. */
export type PortMapping =
  | { readonly kind: 'same' }
  | { readonly kind: 'from'; readonly first: number }
  | { readonly kind: 'all'; readonly port: number }

export interface Target {
  readonly address: Address
  readonly ports: PortMapping
}

/** Parses `10.0.0.5`, `10.0.0.5:80`, `[fd00::5]:80`, `10.0.0.9:10000-10100` and `10.0.0.9:=80` against its opening. */
export function parseTarget(field: string, text: string, listen: Listen): Target {
  const { host, ports } = split(field, text.trim())
  const address = readAddress(host)
  if (!address) throw notAnAddress(field, text, host)
  const why = whyUnusableAsTarget(address)
  if (why) throw Problem.of('target-unusable', { field, value: shown(text), why })
  const family = listenFamily(listen)
  if (family !== undefined && family !== address.family) {
    throw Problem.of('target-family', { field, value: shown(text), listen: printListen(listen) })
  }
  return { address, ports: parseMapping(field, text, ports, listen) }
}

function split(field: string, text: string): { host: string; ports: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed) return { host: bracketed[1] ?? '', ports: bracketed[2] }
  const colons = text.split(':').length - 1
  if (colons > 1) {
    if (readAddress(text)) return { host: text, ports: undefined }
    throw Problem.of('bad-target', {
      field,
      value: shown(text),
      why: 'an IPv6 address with a port is written in brackets',
    })
  }
  const [host = '', ports] = text.split(':')
  return { host, ports }
}

const hostName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i

function notAnAddress(field: string, text: string, host: string): Problem {
  const numeric = /^[\d.]+$/.test(host)
  if (host.length <= 253 && hostName.test(host) && !numeric) {
    return Problem.of('host-name', { field, value: shown(host) })
  }
  return Problem.of('bad-target', { field, value: shown(text), why: `${shown(host)} is not an address` })
}

function parseMapping(field: string, text: string, ports: string | undefined, listen: Listen): PortMapping {
  if (listen.kind === 'ping') {
    if (ports === undefined) return { kind: 'same' }
    throw Problem.of('bad-target', { field, value: shown(text), why: 'ping has no ports' })
  }
  if (ports === undefined) return { kind: 'same' }
  if (ports.startsWith('=')) return allTo(onePort(field, text, ports.slice(1)), listen)
  const wanted = parsePorts(field, ports)
  if (wanted.length > 1) {
    throw Problem.of('bad-target', { field, value: shown(text), why: 'a target takes one port or one range' })
  }
  return mapRange(field, text, wanted[0] as PortRange, listen)
}

function onePort(field: string, text: string, port: string): number {
  const range = parsePorts(field, port)[0]
  if (range && range.first === range.last) return range.first
  throw Problem.of('bad-target', { field, value: shown(text), why: 'after := stands one port' })
}

function mapRange(
  field: string,
  text: string,
  wanted: PortRange,
  listen: Listen & { kind: 'ports' },
): PortMapping {
  const have = countPorts([wanted])
  const want = countPorts(listen.ports)
  const facts = () => ({ field, value: shown(text), listen: printListen(listen) })
  if (have > 1) {
    if (have !== want) throw Problem.of('ports-differ', { ...facts(), have, want })
    if (listen.ports.length > 1) {
      const why = 'a range of target ports goes with one range of listen ports'
      throw Problem.of('bad-target', { field, value: shown(text), why })
    }
    return simplest({ kind: 'from', first: wanted.first }, listen)
  }
  if (want === 1) return simplest({ kind: 'from', first: wanted.first }, listen)
  if (listen.ports.length === 1) {
    const last = wanted.first + want - 1
    if (last > 65535) throw Problem.of('ports-overflow', { field, value: shown(text), last })
    return simplest({ kind: 'from', first: wanted.first }, listen)
  }
  if (listen.ports.every(({ first, last }) => first === last)) return { kind: 'all', port: wanted.first }
  throw Problem.of('ports-ambiguous', { ...facts(), port: wanted.first })
}

function allTo(port: number, listen: Listen & { kind: 'ports' }): PortMapping {
  return countPorts(listen.ports) === 1
    ? simplest({ kind: 'from', first: port }, listen)
    : { kind: 'all', port }
}

/** One meaning, one value: an offset of nothing is `same`, so that equal forwards compare equal. */
function simplest(mapping: PortMapping & { kind: 'from' }, listen: Listen & { kind: 'ports' }): PortMapping {
  return mapping.first === listen.ports[0]?.first ? { kind: 'same' } : mapping
}

/** The target port that serves `port` of the opening. */
export function mapPort(mapping: PortMapping, port: number, listen: Listen & { kind: 'ports' }): number {
  switch (mapping.kind) {
    case 'same':
      return port
    case 'from':
      return mapping.first + port - (listen.ports[0]?.first ?? port)
    case 'all':
      return mapping.port
  }
}

/** Where a port of the opening leads, in words: `10.0.0.5:80 and [fd00::5]:80`. */
export function targetAt(
  { listen, targets }: { listen: Listen; targets: readonly Target[] },
  port: number,
): string {
  if (listen.kind === 'ping') return targets.map(({ address }) => address.text).join(' and ')
  return targets
    .map(({ address, ports }) => withPort(address, String(mapPort(ports, port, listen))))
    .join(' and ')
}

export function printTarget({ address, ports }: Target, listen: Listen): string {
  if (listen.kind === 'ping' || ports.kind === 'same') {
    const only =
      listen.kind === 'ports' && countPorts(listen.ports) === 1 ? listen.ports[0]?.first : undefined
    return only === undefined ? address.text : withPort(address, String(only))
  }
  if (ports.kind === 'all') {
    return withPort(address, countPorts(listen.ports) === 1 ? String(ports.port) : `=${ports.port}`)
  }
  const last = ports.first + countPorts(listen.ports) - 1
  return withPort(address, last === ports.first ? String(last) : `${ports.first}-${last}`)
}

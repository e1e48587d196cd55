/** How the ports of an opening become ports of a target. */
import type { Listen } from './listen.ts'
import { printListen } from './listen.ts'
import { countPorts, type PortRange, parsePorts } from './ports.ts'
import { Problem, shown } from './problem.ts'

/** `same`: the port stays. `from`: the first port goes to `first`, the next to the one after it. `all`: every port to one. */
export type PortMapping =
  | { readonly kind: 'same' }
  | { readonly kind: 'from'; readonly first: number }
  | { readonly kind: 'all'; readonly port: number }

type Ports = Listen & { kind: 'ports' }

/** Parses what stands after the colon: nothing, `80`, `10000-10100` or `=80`. `text` is the whole target, for the problem. */
export function parseMapping(
  field: string,
  text: string,
  ports: string | undefined,
  listen: Listen,
): PortMapping {
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

function mapRange(field: string, text: string, wanted: PortRange, listen: Ports): PortMapping {
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

/** Every port of the opening to this one. */
export function allTo(port: number, listen: Ports): PortMapping {
  return countPorts(listen.ports) === 1
    ? simplest({ kind: 'from', first: port }, listen)
    : { kind: 'all', port }
}

/** One meaning, one value: an offset of nothing is `same`, so that equal forwards compare equal. */
function simplest(mapping: PortMapping & { kind: 'from' }, listen: Ports): PortMapping {
  return mapping.first === listen.ports[0]?.first ? { kind: 'same' } : mapping
}

/** The target port that serves `port` of the opening. */
export function mapPort(mapping: PortMapping, port: number, listen: Ports): number {
  switch (mapping.kind) {
    case 'same':
      return port
    case 'from':
      return mapping.first + port - (listen.ports[0]?.first ?? port)
    case 'all':
      return mapping.port
  }
}

/** What stands after the colon; undefined where the ports stay and there are several. */
export function printMapping(mapping: PortMapping, listen: Listen): string | undefined {
  if (listen.kind === 'ping') return undefined
  const count = countPorts(listen.ports)
  switch (mapping.kind) {
    case 'same':
      return count === 1 ? String(listen.ports[0]?.first) : undefined
    case 'all':
      return count === 1 ? String(mapping.port) : `=${mapping.port}`
    case 'from': {
      const last = mapping.first + count - 1
      return last === mapping.first ? String(last) : `${mapping.first}-${last}`
    }
  }
}

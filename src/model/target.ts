/** Where the traffic of a forward goes: a host, how the ports map, and its share where there are several. */
import { type Family, readAddress } from './address.ts'
import { type Destination, parseDestination, printDestination, splitTarget } from './destination.ts'
import type { ForwardDocument } from './document.ts'
import { type Listen, listenFamily, printListen } from './listen.ts'
import { mapPort, type PortMapping, parseMapping, printMapping } from './mapping.ts'
import { Problem, shown } from './problem.ts'
import type { Via } from './via.ts'

export interface Target {
  readonly destination: Destination
  readonly ports: PortMapping
  /** Its share of new connections among the targets of its family. */
  readonly weight: number
  /** No new connection goes to it; those that it has go on. */
  readonly drain: boolean
}

const heaviest = 256

/** One entry of `to`: a text, or the text in parts with what belongs to a pool. */
type TargetDocument = Exclude<ForwardDocument['to'], readonly unknown[]>

/** Parses `10.0.0.5`, `10.0.0.5:80`, `[fd00::5]:80`, `10.0.0.9:10000-10100`, `10.0.0.9:=80`, `self:80` against its opening. */
export function parseTarget(field: string, written: TargetDocument, listen: Listen, via: Via | null): Target {
  const { text, weight = 1, drain = false } = inParts(written)
  const { host, ports } = splitTarget(field, text)
  const destination = parseDestination(field, text, host, via !== null)
  const family = listenFamily(listen)
  if (!via && destination.kind === 'address' && family !== undefined && family !== destination.address.family)
    throw Problem.of('target-family', { field, value: shown(text), listen: printListen(listen) })
  if (!Number.isInteger(weight) || weight < 1 || weight > heaviest) {
    const expected = `a whole number from 1 to ${heaviest}`
    throw Problem.of('bad-value', { field: `${field}.weight`, value: shown(weight), expected })
  }
  const mapping = parseMapping(field, text, ports, listen)
  refuseUnmappable(field, text, destination, mapping, ports, listen)
  return { destination, ports: mapping, weight, drain }
}

function inParts(written: TargetDocument): {
  text: string
  weight?: number | undefined
  drain?: boolean | undefined
} {
  if (typeof written === 'string') return { text: written.trim() }
  const { host, port, weight, drain } = written
  const bare = readAddress(host)?.family === 6 ? `[${host}]` : host
  return { text: (port === undefined ? bare : `${bare}:${port}`).trim(), weight, drain }
}

function refuseUnmappable(
  field: string,
  text: string,
  { kind }: Destination,
  mapping: PortMapping,
  ports: string | undefined,
  listen: Listen,
): void {
  const bad = (why: string) => Problem.of('bad-target', { field, value: shown(text), why })
  if (listen.kind === 'ping' && kind !== 'address') throw bad('ping goes to an address')
  if (kind === 'srv' && ports !== undefined) throw bad('the port is what its record says')
  if (kind === 'self' && mapping.kind !== 'same')
    throw Problem.of('self-port', { field, value: shown(text), listen: printListen(listen) })
}

/** The families of a target; one that is looked up may have both. */
export function familiesTo({ destination }: Target, listen: Listen): readonly Family[] {
  if (destination.kind === 'address') return [destination.address.family]
  const only = listenFamily(listen)
  return only === undefined ? [4, 6] : [only]
}

/** Where a port of the opening leads, in words: `10.0.0.5:80 and [fd00::5]:80`. */
export function targetAt(
  { listen, targets }: { listen: Listen; targets: readonly Target[] },
  port: number,
): string {
  return targets
    .map(({ destination, ports }) =>
      listen.kind === 'ping' || destination.kind === 'srv'
        ? printDestination(destination)
        : joinPort(destination, String(mapPort(ports, port, listen))),
    )
    .join(' and ')
}

/** As it is written in one word; what belongs to a pool is left out. */
export function printTarget({ destination, ports }: Target, listen: Listen): string {
  const port = destination.kind === 'srv' ? undefined : printMapping(ports, listen)
  return port === undefined ? printDestination(destination) : joinPort(destination, port)
}

/** As a document has it: one word where that says everything. */
export function documentOfTarget(target: Target, listen: Listen): TargetDocument {
  const { destination, ports, weight, drain } = target
  if (weight === 1 && !drain) return printTarget(target, listen)
  const port = destination.kind === 'srv' ? undefined : printMapping(ports, listen)
  return {
    host: printDestination(destination),
    ...(port !== undefined && { port }),
    ...(weight !== 1 && { weight }),
    ...(drain && { drain }),
  }
}

function joinPort(destination: Destination, port: string): string {
  const host = printDestination(destination)
  return destination.kind === 'address' && destination.address.family === 6
    ? `[${host}]:${port}`
    : `${host}:${port}`
}

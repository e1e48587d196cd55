/** The opening of a forward: protocols, ports and the place where they are open. */
import { type Address, type Family, parseAddress, whyUnusableAsListen } from './address.ts'
import { type PortRange, parsePorts, printPorts } from './ports.ts'
import { Problem, shown } from './problem.ts'

export type Transport = 'tcp' | 'udp'

export type Place =
  | { readonly kind: 'any' }
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'interface'; readonly name: string }

export type Listen =
  | {
      readonly kind: 'ports'
      readonly protocols: readonly Transport[]
      readonly ports: readonly PortRange[]
      readonly place: Place
    }
  | { readonly kind: 'ping'; readonly address: Address }

/** Linux: 1 to 15 bytes, no slash, no white space (net/core/dev.c, dev_valid_name); narrowed to what is in use. */
const interfaceName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/

/** Parses `tcp+udp/80,443`, `udp/20000-20100@203.0.113.5`, `tcp/8080%eth0` and `icmp@203.0.113.5`. */
export function parseListen(field: string, text: string): Listen {
  const bad = (why: string) => Problem.of('bad-listen', { field, value: shown(text), why })
  const match = /^([a-z+]+)(?:\/([^@%]*))?(?:([@%])(.*))?$/i.exec(text.trim())
  if (!match) throw bad('it does not start with a protocol and a slash')
  const [, protocols = '', ports, mark, where = ''] = match
  const place = parsePlace(field, bad, mark, where)
  const names = protocols.toLowerCase().split('+')
  if (names.includes('icmp')) return parsePing(bad, names, ports, place)
  for (const name of names) {
    if (name !== 'tcp' && name !== 'udp') throw bad(`${shown(name)} is not tcp, udp or icmp`)
  }
  if (new Set(names).size !== names.length) throw bad('a protocol is named twice')
  if (!ports) throw bad('the ports are missing')
  const transports = (['tcp', 'udp'] as const).filter((name) => names.includes(name))
  return { kind: 'ports', protocols: transports, ports: parsePorts(field, ports), place }
}

function parsePing(
  bad: (why: string) => Problem,
  names: string[],
  ports: string | undefined,
  place: Place,
): Listen {
  if (names.length > 1) throw bad('icmp stands alone, as it has no ports')
  if (ports !== undefined) throw bad('icmp has no ports')
  if (place.kind !== 'address') {
    throw bad("icmp needs a listen address, so that the gateway's own ping is not taken by accident")
  }
  return { kind: 'ping', address: place.address }
}

function parsePlace(
  field: string,
  bad: (why: string) => Problem,
  mark: string | undefined,
  where: string,
): Place {
  if (mark === undefined) return { kind: 'any' }
  if (mark === '%') {
    if (!interfaceName.test(where)) throw bad(`${shown(where)} is not the name of an interface`)
    return { kind: 'interface', name: where }
  }
  const address = parseAddress(field, where.replace(/^\[(.*)\]$/, '$1'))
  const why = whyUnusableAsListen(address)
  if (why) throw bad(why)
  return { kind: 'address', address }
}

export function printListen(listen: Listen): string {
  if (listen.kind === 'ping') return `icmp@${listen.address.text}`
  return `${listen.protocols.join('+')}/${printPorts(listen.ports)}${printPlace(listen.place)}`
}

function printPlace(place: Place): string {
  switch (place.kind) {
    case 'any':
      return ''
    case 'address':
      return `@${place.address.text}`
    case 'interface':
      return `%${place.name}`
  }
}

/** The family to which a listen address binds the opening, or undefined when it takes both. */
export function listenFamily(listen: Listen): Family | undefined {
  if (listen.kind === 'ping') return listen.address.family
  return listen.place.kind === 'address' ? listen.place.address.family : undefined
}

/** The opening in words: `tcp/8080 on any address`. */
export function describeListen(listen: Listen): string {
  if (listen.kind === 'ping') return `ping of ${listen.address.text}`
  const { protocols, ports, place } = listen
  const what = `${protocols.join('+')}/${printPorts(ports)}`
  switch (place.kind) {
    case 'any':
      return `${what} on any address`
    case 'address':
      return `${what} on ${place.address.text}`
    case 'interface':
      return `${what} on interface ${place.name}`
  }
}

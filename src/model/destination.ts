/** The host that a target names: an address, something that stands for addresses, or this machine itself. */
import { type Address, isLoopback, readAddress, whyUnusableAsTarget } from './address.ts'
import { Problem, shown } from './problem.ts'

/**
 * `self` is a service of this machine, which is opened and not translated. `name` is a host name, `srv` the name of an
 * SRV record (RFC 2782), `container` a container of Docker: which addresses they stand for is looked up while they are used.
 */
export type Destination =
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'self' }
  | { readonly kind: 'name' | 'srv' | 'container'; readonly name: string }

export type Named = Destination & { readonly kind: 'name' | 'srv' | 'container' }

/** What stands before the port, and the port, of `10.0.0.5:80`, `[fd00::5]:80`, `self:80`, `container:web:80`, `db.lan:80`. */
export function splitTarget(field: string, text: string): { host: string; ports: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed) return { host: bracketed[1] ?? '', ports: bracketed[2] }
  const prefixed = /^(container:[^:]*)(?::(.*))?$/.exec(text) ?? /^(srv:[^:]*)(?::(.*))?$/.exec(text)
  if (prefixed) return { host: prefixed[1] ?? '', ports: prefixed[2] }
  if (text.split(':').length > 2) {
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

/** RFC 1123: labels of up to 63 letters, digits and dashes; underscores inside are met in practice. */
const hostName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)*$/
const containerName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/
/** RFC 2782: `_service._proto.name`. */
const serviceName = /^_[a-z0-9-]{1,62}\._(?:tcp|udp)\.(.+)$/

/** `value` is the whole target, for the problem. A proxy, which is on this machine, reaches services on loopback addresses. */
export function parseDestination(field: string, value: string, host: string, proxied: boolean): Destination {
  const bad = (why: string) => Problem.of('bad-target', { field, value: shown(value), why })
  if (host === 'self') {
    if (proxied) throw bad('through a proxy a service of this machine is written 127.0.0.1')
    return { kind: 'self' }
  }
  if (host.startsWith('container:')) {
    const name = host.slice('container:'.length)
    if (!containerName.test(name)) throw bad(`${shown(name)} is not the name of a container`)
    return { kind: 'container', name }
  }
  if (host.startsWith('srv:')) {
    const name = canonical(host.slice('srv:'.length))
    if (!hostName.test(serviceName.exec(name)?.[1] ?? ''))
      throw bad(`${shown(name)} is not the name of a service record such as _http._tcp.example.org`)
    return { kind: 'srv', name }
  }
  const address = readAddress(host)
  if (!address) return { kind: 'name', name: parseHostName(bad, host) }
  const why = whyUnusableAsTarget(address)
  if (why && !(proxied && isLoopback(address.text)))
    throw Problem.of('target-unusable', { field, value: shown(value), why })
  return { kind: 'address', address }
}

/** Letters count alike, and a dot at the end says what is so in any case: that nothing is put behind it. */
function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/** The host name as it is known here. A last label of digits alone is a mistyped address (RFC 3696). */
export function readHostName(text: string): string | undefined {
  const name = canonical(text)
  return hostName.test(name) && !/(^|\.)\d+$/.test(name) ? name : undefined
}

function parseHostName(bad: (why: string) => Problem, host: string): string {
  const name = readHostName(host)
  if (name === undefined) {
    const ascii = asciiName(host)
    throw bad(
      ascii === undefined
        ? `${shown(host)} is not an address, nor a host name`
        : `${shown(host)} has letters that DNS does not know; there it is ${ascii}`,
    )
  }
  if (name === 'localhost' || name.endsWith('.localhost'))
    throw bad(`${shown(host)} is this machine itself, which is written self`)
  return name
}

/**
 * A name with letters beyond ASCII as DNS has it (RFC 5891). It is not taken as it is: what looks like a known name may be
 * another, and here that would be seen too late.
 */
function asciiName(text: string): string | undefined {
  if (!/^[\p{L}\p{N}\p{M}._-]+$/u.test(text) || !URL.canParse(`http://${text}/`)) return undefined
  return readHostName(new URL(`http://${text}/`).hostname)
}

/** The destination as it is written, and by which it is known where what it stands for is kept. */
export function printDestination(destination: Destination): string {
  switch (destination.kind) {
    case 'address':
      return destination.address.text
    case 'self':
      return 'self'
    case 'name':
      return destination.name
    case 'srv':
    case 'container':
      return `${destination.kind}:${destination.name}`
  }
}

/** Whether it has to be looked up. */
export function isNamed(destination: Destination): destination is Named {
  return destination.kind !== 'address' && destination.kind !== 'self'
}

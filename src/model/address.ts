/** Addresses and prefixes as canonical text. Only what is parsed here ever reaches the kernel door. */
import ipaddr from 'ipaddr.js'
import { Problem, shown } from './problem.ts'

export type Family = 4 | 6

/** `text` is canonical (RFC 5952 for IPv6), so equal addresses are equal strings. */
export interface Address {
  readonly family: Family
  readonly text: string
}

/** A network; `text` is its first address, host bits zero. */
export interface Prefix extends Address {
  readonly length: number
}

/** The address, or undefined when the text is none. IPv4 takes four decimal parts only; zones are refused. */
export function readAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return { family: 4, text: ipaddr.IPv4.parse(text).toString() }
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? undefined : { family: 6, text: address.toRFC5952String() }
}

export function parseAddress(field: string, text: string): Address {
  const address = readAddress(text)
  if (!address) throw Problem.of('bad-address', { field, value: shown(text) })
  return address
}

/** Parses `198.51.100.0/24`, or an address alone as the prefix of one. Set host bits are refused, not dropped. */
export function parsePrefix(field: string, text: string): Prefix {
  const [host = '', bits, ...rest] = text.split('/')
  const address = readAddress(host)
  const bad = (why: string) => Problem.of('bad-prefix', { field, value: shown(text), why })
  if (!address || rest.length > 0) throw bad('it does not start with an address')
  const most = address.family === 4 ? 32 : 128
  if (bits === undefined) return { ...address, length: most }
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (!(length <= most)) throw bad(`the prefix length of IPv${address.family} runs from 0 to ${most}`)
  const network = networkOf(address, length)
  if (network !== address.text) {
    throw bad(
      `it has host bits set; write ${network}/${length} for the network or ${address.text} for the host`,
    )
  }
  return { ...address, length }
}

/** The network that holds the address, or undefined when the text is neither an address nor a network. */
export function readPrefix(text: string): Prefix | undefined {
  const [host = '', bits, ...rest] = text.split('/')
  const address = readAddress(host)
  if (!address || rest.length > 0) return undefined
  const most = address.family === 4 ? 32 : 128
  const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  return length <= most ? { family: address.family, text: networkOf(address, length), length } : undefined
}

/** The first address of the network that holds `address`. */
export function networkOf(address: Address, length: number): string {
  const cidr = `${address.text}/${length}`
  return address.family === 4
    ? ipaddr.IPv4.networkAddressFromCIDR(cidr).toString()
    : ipaddr.IPv6.networkAddressFromCIDR(cidr).toRFC5952String()
}

export function printPrefix(prefix: Prefix): string {
  const whole = prefix.family === 4 ? 32 : 128
  return prefix.length === whole ? prefix.text : `${prefix.text}/${prefix.length}`
}

/** `10.0.0.5:80` or `[fd00::5]:80`. */
export function withPort(address: Address, port: string): string {
  return address.family === 4 ? `${address.text}:${port}` : `[${address.text}]:${port}`
}

/** 127.0.0.0/8 and ::1: the machine itself, and never another. Of an address or a prefix, by its text. */
export function isLoopback(text: string): boolean {
  return text.startsWith('127.') || text === '::1'
}

/** Where a socket listens that is bound to no address. */
export function isEverywhere(text: string): boolean {
  return text === '0.0.0.0' || text === '::'
}

/** Why a packet cannot be sent on to this address, or undefined when it can (RFC 6890's special ranges). */
export function whyUnusableAsTarget(address: Address): string | undefined {
  switch (ipaddr.parse(address.text).range()) {
    case 'loopback':
      return 'a loopback address is never reached from another machine (route_localnet stays off)'
    case 'unspecified':
      return 'it is the unspecified address'
    case 'broadcast':
    case 'multicast':
      return 'it is not the address of one host'
    case 'linkLocal':
      return 'a link-local address has no meaning beyond one link'
    default:
      return undefined
  }
}

/** Where clouds give credentials to whoever asks; those that are link-local besides are refused as that. */
const metadata = ['fd00:ec2::254', 'fd20:ce::254', '100.100.100.200', '168.63.129.16', '192.0.0.192']

/** The same for an address that nobody has written down as a target: somebody else, such as a name server, says it. */
export function whyUnusableUnasked(address: Address): string | undefined {
  if (metadata.includes(address.text)) return 'it is where clouds hand out credentials'
  return whyUnusableAsTarget(address)
}

/** Why nothing can be received on this address, or undefined when it can. */
export function whyUnusableAsListen(address: Address): string | undefined {
  switch (ipaddr.parse(address.text).range()) {
    case 'loopback':
      return 'a loopback address is never reached from another machine'
    case 'unspecified':
      return 'leave the address out to listen on any'
    case 'broadcast':
    case 'multicast':
      return 'it is not the address of one host'
    case 'linkLocal':
      return 'a link-local address needs its interface; write %interface instead'
    default:
      return undefined
  }
}

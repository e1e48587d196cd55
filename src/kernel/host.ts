/** Facts observed on this machine, read from procfs of this network namespace: addresses, links, default routes. */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { readAddress } from '../model/address.ts'

export interface HostFacts {
  /** Every address of every interface, canonical text. */
  readonly addresses: readonly string[]
  /** Interfaces by which the outside comes: those that hold a default route, or all while none does. */
  readonly outside: readonly string[]
}

export function readHost(): HostFacts {
  const routes = [...defaultRoutes4(readProc('route')), ...defaultRoutes6(readProc('ipv6_route'))]
  const links = readLinks(readProc('dev'))
  return {
    addresses: Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .flatMap(({ address }) => readAddress(address)?.text ?? [])
      .sort(),
    outside: [...new Set(routes.length > 0 ? routes : links)].sort(),
  }
}

/** /proc/net is the namespace of the process; a kernel without IPv6 has no ipv6_route. */
function readProc(name: string): string {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'utf8')
  } catch {
    return ''
  }
}

const RTF_REJECT = 0x0200

/** Lines of `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in hexadecimal. */
function defaultRoutes4(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, destination, , flags, , , , mask]) =>
        destination === '00000000' && mask === '00000000' && !rejects(flags),
    )
    .flatMap(([name]) => (name ? [name] : []))
}

/** Lines of `destination length source length nexthop metric refcnt use flags name`, numbers in hexadecimal. */
function defaultRoutes6(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([destination = '', length, , , , , , , flags]) =>
        /^0{32}$/.test(destination) && length === '00' && !rejects(flags),
    )
    .flatMap((parts) => (parts[9] && parts[9] !== 'lo' ? [parts[9]] : []))
}

function rejects(flags: string | undefined): boolean {
  return (Number.parseInt(flags ?? '0', 16) & RTF_REJECT) !== 0
}

function readLinks(text: string): string[] {
  return text
    .split('\n')
    .slice(2)
    .flatMap((line) => line.trim().split(':')[0] || [])
    .filter((name) => name !== 'lo')
}

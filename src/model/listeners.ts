/** Services of this machine that a forward would hide. */
import type { Family } from './address.ts'
import { type Forward, familiesOf } from './forward.ts'
import type { Transport } from './listen.ts'

/** A socket of this machine that takes connections or datagrams. `address` is 0.0.0.0 or :: for all addresses. */
export interface Listener {
  readonly protocol: Transport
  readonly address: string
  readonly port: number
  readonly uid: number
}

/** The first service that would not be reached any more, as packets to its port go to the target. */
export function shadowedBy(forward: Forward, listeners: readonly Listener[]): Listener | undefined {
  const { listen, enabled } = forward
  if (listen.kind === 'ping' || !enabled) return undefined
  const { protocols, ports, place } = listen
  return listeners.find(({ protocol, address, port }) => {
    if (!protocols.includes(protocol) || !ports.some(({ first, last }) => first <= port && port <= last))
      return false
    if (!servesSome(address, familiesOf(forward))) return false
    return place.kind !== 'address' || isEverywhere(address) || address === place.address.text
  })
}

function isEverywhere(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** A socket on :: takes IPv4 as well (bindv6only is off by default); loopback is never forwarded. */
function servesSome(address: string, families: readonly Family[]): boolean {
  if (address === '::') return true
  if (address === '::1' || address.startsWith('127.')) return false
  return families.includes(address.includes(':') ? 6 : 4)
}

/** What takes packets on this machine, and on which of its addresses: all sockets but those on loopback. */
import { networkInterfaces } from 'node:os'
import { isLoopback, readAddress } from '../model/address.ts'
import type { LocalAddress, Service } from '../model/exposure/exposure.ts'
import { readHolders } from './holders.ts'
import { type ListeningSocket, readAllSockets } from './listeners.ts'
import type { Netlink } from './netlink.ts'
import { readEphemeralRange } from './ports.ts'
import { interfaceName } from './rtnetlink.ts'

/** Of so many it is looked up which program holds them. */
const mostHolders = 200

export function readServices(netlink: Netlink): Service[] {
  const found = readAllSockets(netlink).filter(({ address, port }) => port !== 0 && !isLoopback(address))
  const holders = readHolders(netlink, found.slice(0, mostHolders))
  const { first, last } = readEphemeralRange()
  return found.map((socket, at) => ({
    protocol: socket.protocol,
    address: socket.address,
    families: familiesOf(socket),
    port: socket.port,
    interface: socket.interface === 0 ? null : (interfaceName(socket.interface) ?? null),
    question: socket.protocol === 'udp' && socket.port >= first && socket.port <= last,
    holder: holders[at] ?? null,
  }))
}

function familiesOf({ address, only6 }: ListeningSocket): Service['families'] {
  if (address === '::' && !only6) return [4, 6]
  return address.includes(':') ? [6] : [4]
}

/** Every address of an interface that is up; a packet to loopback never comes from outside. */
export function readLocalAddresses(): LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? []).flatMap(({ address }) => {
      const read = readAddress(address)
      return read && !isLoopback(read.text) ? [{ ...read, interface: name }] : []
    }),
  )
}

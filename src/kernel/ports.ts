/** The ports that the kernel takes for this machine's own connections: ip_local_port_range in ip-sysctl.rst. */
import { readFileSync } from 'node:fs'
import { complement, intersect } from '../model/match.ts'
import type { PortRange } from '../model/ports.ts'

export function readEphemeralRange(): PortRange {
  const [first = 0, last = 0] = read('ip_local_port_range').split(/\s+/).map(Number)
  return { first, last }
}

/** Without those that are reserved. */
export function readEphemeralPorts(): readonly PortRange[] {
  const reserved = read('ip_local_reserved_ports')
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return { first, last }
    })
  return intersect([readEphemeralRange()], complement(reserved))
}

function read(name: string): string {
  return readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim()
}

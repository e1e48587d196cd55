/** Facts observed on this machine: its addresses, its interfaces and its own ports. */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { readAddress } from '../model/address.ts'
import type { PortRange } from '../model/ports.ts'
import { isProbeDevice } from '../model/trace/step.ts'
import { readEphemeralPorts } from './ports.ts'

export interface HostFacts {
  /** Every address of every interface, canonical text. */
  readonly addresses: readonly string[]
  /** Every interface but the loopback. */
  readonly links: readonly string[]
  /** Ports that the kernel takes for this machine's own connections. */
  readonly ephemeral: readonly PortRange[]
}

export function readHost(): HostFacts {
  return {
    addresses: Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .flatMap(({ address }) => readAddress(address)?.text ?? [])
      .sort(),
    links: readLinks(readFileSync('/proc/self/net/dev', 'utf8')),
    ephemeral: readEphemeralPorts(),
  }
}

/** Two lines of heading, then `name: counters`. */
function readLinks(text: string): string[] {
  return text
    .split('\n')
    .slice(2)
    .flatMap((line) => line.trim().split(':')[0] || [])
    .filter((name) => name !== 'lo' && !isProbeDevice(name))
    .sort()
}

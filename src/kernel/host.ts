/** Facts observed on this machine: its addresses and its interfaces. */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { readAddress } from '../model/address.ts'

export interface HostFacts {
  /** Every address of every interface, canonical text. */
  readonly addresses: readonly string[]
  /** Every interface but the loopback. */
  readonly links: readonly string[]
}

export function readHost(): HostFacts {
  return {
    addresses: Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .flatMap(({ address }) => readAddress(address)?.text ?? [])
      .sort(),
    links: readLinks(readFileSync('/proc/self/net/dev', 'utf8')),
  }
}

/** Two lines of heading, then `name: counters`. */
function readLinks(text: string): string[] {
  return text
    .split('\n')
    .slice(2)
    .flatMap((line) => line.trim().split(':')[0] || [])
    .filter((name) => name !== 'lo')
    .sort()
}

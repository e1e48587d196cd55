/** A kind of packets, and what is known of them at each place of their way. */
import ipaddr from 'ipaddr.js'
import type { Family } from '../address.ts'
import type { Arrival } from './arrivals.ts'
import type { Box } from './box.ts'
import type { Protocol } from './exposure.ts'
import type { Packets, Returns } from './packet.ts'
import { everyOf, type Ranges } from './ranges.ts'
import type { BaseChain, FieldName, Filters, Place } from './rules.ts'

/** A kind of packets by one interface. */
export interface Scene {
  readonly family: Family
  readonly protocol: Protocol
  readonly interface: string
  /** The interface in words, with the device where there are several ways to it. */
  readonly label: string
  /** The devices that they come past, the interface last. */
  readonly arrival: Arrival
  /** This machine's own. */
  readonly addresses: Ranges
  /** From where they may come: rp_filter drops the others. */
  readonly sources: Ranges
  readonly returns: Returns
  readonly filters: Filters
  /** Fields that some rule changes, so that nothing is known of them. */
  readonly altered: ReadonlySet<FieldName>
  /** The interface by which an address is reached. */
  readonly ways: Readonly<Record<string, string>>
  readonly bridges: ReadonlySet<string>
  /** What may keep them out and cannot be read. */
  readonly veils: readonly Place[]
  readonly budget: { left: number }
}

export const bitsOf = { 4: 32, 6: 128 } as const

export function alteredBy({ chains }: Filters): ReadonlySet<FieldName> {
  const steps = Object.values(chains).flatMap(({ rules }) => rules.flatMap((rule) => rule.steps))
  return new Set(steps.flatMap((step) => (step.kind === 'alters' ? [step.field] : [])))
}

/** All that may come: any port of any of our addresses, from anybody. */
export function everything({ addresses, sources }: Scene): Packets {
  const box: Box = {
    port: [{ first: 1n, last: 65535n }],
    address: addresses,
    source: sources,
    sourcePort: everyOf(16),
  }
  return { box, doubt: null, admitted: null, named: false, translated: null }
}

export function rangeOfAddress(text: string): Ranges {
  const hex = Buffer.from(ipaddr.parse(text).toByteArray()).toString('hex')
  return [{ first: BigInt(`0x${hex}`), last: BigInt(`0x${hex}`) }]
}

/** Chains of the hook, the lowest priority first; of those that are asked for one device, the ones of that device. */
export function chainsOf(
  { filters, family }: Scene,
  hook: BaseChain['hook'],
  which: (chain: BaseChain) => boolean = () => true,
  device?: string,
): readonly BaseChain[] {
  return filters.bases
    .filter((chain) => chain.hook === hook && chain.families.includes(family) && which(chain))
    .filter(({ devices }) => device === undefined || devices.some((name) => isNamed(device, name)))
    .sort((a, b) => a.priority - b.priority)
}

/** `eth*` is every name that begins so. */
export function isNamed(device: string, name: string): boolean {
  return name.endsWith('*') ? device.startsWith(name.slice(0, -1)) : device === name
}

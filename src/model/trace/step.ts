/** What is sent as a probe, and what the kernel tells of a packet on its way through the tables. */
import type { Family } from '../address.ts'

/** One packet, as if it came from outside. */
export interface Probe {
  readonly family: Family
  readonly protocol: 'tcp' | 'udp' | 'icmp'
  readonly source: string
  /** Of a ping the identifier. */
  readonly sourcePort: number
  readonly destination: string
  /** Of a ping 0. */
  readonly port: number
  /** Bytes of the whole packet, which must not be fragmented; null: as small as it can be. */
  readonly size: number | null
  /** The interface by which it arrives. */
  readonly by: string
}

/** The headers of a packet, as they are at that moment. */
export interface Header {
  readonly source: string
  readonly destination: string
  readonly protocol: Probe['protocol'] | 'other'
  /** Of ping both are the identifier. */
  readonly sourcePort: number
  readonly port: number
  readonly bytes: number
  readonly tcp: {
    readonly sequence: number
    readonly flags: number
    /** Bytes of data after the header. */
    readonly data: number
  } | null
  /** An error of ICMP that a router, a host or a rule has sent; `mtu`: the packet must not be larger than that (0: not said). */
  readonly error: { readonly type: number; readonly code: number; readonly mtu: number } | null
}

export interface TraceStep {
  /** The same for all steps of one packet. */
  readonly packet: string
  /** `inet drawbridge`: family and name. */
  readonly table: string
  readonly chain: string
  /** 0: the policy of the chain. */
  readonly handle: number
  readonly verdict: 'accept' | 'drop' | 'stolen' | 'queue' | 'continue' | 'jump' | 'goto' | 'return'
  /** Names of interfaces, '' where there is none. */
  readonly in: string
  readonly out: string
  /** Said once for each base chain, where the packet comes to it. */
  readonly header: Header | null
  /** Milliseconds after the probe was sent. */
  readonly at: number
}

/** The table that a probe has to itself, and its chains at the ends of hooks, by which it is seen how far a packet came. */
export const probeTable = 'drawbridge_probe'
export const ends = { prerouting: 'arrived', input: 'taken', forward: 'passed', postrouting: 'left' } as const

/** Whether an interface is that of a probe, which is no part of this machine's network; it is made as `drawbridge%d`. */
export function isProbeDevice(name: string): boolean {
  return /^drawbridge\d+$/.test(name)
}

export function isProbeStep({ table }: Pick<TraceStep, 'table'>): boolean {
  return table.endsWith(` ${probeTable}`)
}

export const FIN = 1
export const SYN = 2
export const RST = 4
export const ACK = 16

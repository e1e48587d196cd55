/**
 * How this machine and its network are, as files of /proc and /sys tell. Source: Documentation/networking/ip-sysctl.rst,
 * nf_conntrack-sysctl.rst, proc(5), Documentation/accounting/psi.rst; softnet_stat is softnet_seq_show() in
 * net/core/net-procfs.c.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import type { LinkExam, Losses } from '../model/examination.ts'
import type { Carrier } from './carriers.ts'

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

const numberAt = (path: string): number => Number(read(path)) || 0
const sys = '/proc/sys/net'

/** What the kernel is told to do with packets of an interface, and what it has lost of them. */
export function readLinkVitals(names: readonly string[]): Record<string, Omit<LinkExam, keyof Carrier>> {
  const counted = interfaceCounts(read('/proc/thread-self/net/dev'))
  const forwards6 = read(`${sys}/ipv6/conf/all/forwarding`) !== '0'
  const everywhere = numberAt(`${sys}/ipv4/conf/all/rp_filter`)
  return Object.fromEntries(
    names.map((name) => {
      const own = (what: string) => numberAt(`${sys}/ipv4/conf/${name}/${what}`)
      const rpFilter = Math.max(own('rp_filter'), everywhere)
      return [
        name,
        { forwards4: own('forwarding') !== 0, forwards6, rpFilter, ...(counted.get(name) ?? none) },
      ]
    }),
  )
}

const none = { errors: 0, drops: 0 }

/** Two lines of heading, then `name: bytes packets errors drops …` received, and the same sent. */
function interfaceCounts(text: string): Map<string, typeof none> {
  const found = new Map<string, typeof none>()
  for (const line of text.split('\n').slice(2)) {
    const [name = '', counts = ''] = line.trim().split(':')
    const at = counts.trim().split(/\s+/).map(Number)
    found.set(name, { errors: (at[2] ?? 0) + (at[10] ?? 0), drops: (at[3] ?? 0) + (at[11] ?? 0) })
  }
  return found
}

export interface TrackingVitals {
  readonly tracked: number
  readonly most: number
  readonly buckets: number
}

export function readTracking(): TrackingVitals {
  return {
    tracked: numberAt(`${sys}/netfilter/nf_conntrack_count`),
    most: numberAt(`${sys}/netfilter/nf_conntrack_max`),
    buckets: numberAt(`${sys}/netfilter/nf_conntrack_buckets`),
  }
}

/** By the number of the phase (enum tcp_conntrack). */
const phases = [
  '',
  'tcp_timeout_syn_sent',
  'tcp_timeout_syn_recv',
  'tcp_timeout_established',
  'tcp_timeout_fin_wait',
  'tcp_timeout_close_wait',
  'tcp_timeout_last_ack',
  'tcp_timeout_time_wait',
  'tcp_timeout_close',
  'tcp_timeout_syn_sent',
] as const

export interface Patience {
  /** In seconds, for each phase of TCP. */
  readonly tcp: readonly number[]
  readonly udp: number
  readonly udpStream: number
  readonly icmp: number
}

/** How long the kernel remembers a connection after its last packet. */
export function readTrackingPatience(): Patience {
  const of = (name: string) => numberAt(`${sys}/netfilter/nf_conntrack_${name}`)
  return {
    tcp: phases.map((name) => (name === '' ? 0 : of(name))),
    udp: of('udp_timeout'),
    udpStream: of('udp_timeout_stream'),
    icmp: of('icmp_timeout'),
  }
}

export function readForwardingSwitches(): { readonly forwards4: boolean; readonly forwards6: boolean } {
  return {
    forwards4: read(`${sys}/ipv4/ip_forward`) !== '0',
    forwards6: read(`${sys}/ipv6/conf/all/forwarding`) !== '0',
  }
}

/** Counters that only grow: what is lost while somebody looks is the difference of two readings. */
export function readLosses(): Losses {
  const tracking = table(read('/proc/thread-self/net/stat/nf_conntrack'))
  const extended = snmp(read('/proc/thread-self/net/netstat'), 'TcpExt')
  const softnet = read('/proc/thread-self/net/softnet_stat').split('\n')
  return {
    trackingFull: tracking('drop') + tracking('early_drop'),
    trackingClashes: tracking('insert_failed'),
    reversePath: extended('IPReversePathFilter'),
    listenOverflows: extended('ListenOverflows'),
    softnet: softnet.reduce((sum, line) => sum + (Number.parseInt(line.split(/\s+/)[1] ?? '0', 16) || 0), 0),
  }
}

/** A heading, then a line of hexadecimal numbers for each processor. */
function table(text: string): (name: string) => number {
  const [heading = '', ...lines] = text.split('\n')
  const names = heading.trim().split(/\s+/)
  const rows = lines.map((line) => line.trim().split(/\s+/))
  return (name) => {
    const at = names.indexOf(name)
    return at < 0 ? 0 : rows.reduce((sum, row) => sum + (Number.parseInt(row[at] ?? '0', 16) || 0), 0)
  }
}

/** Lines by twos: names, then numbers. */
function snmp(text: string, group: string): (name: string) => number {
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith(`${group}:`))
  const at = names.split(' ')
  const found = values.split(' ')
  return (name) => Number(found[at.indexOf(name)] ?? 0) || 0
}

export interface Ticks {
  readonly all: number
  readonly steal: number
  readonly softirq: number
}

/** `cpu user nice system idle iowait irq softirq steal …`, in ticks. */
export function readTicks(): Ticks {
  const ticks = read('/proc/stat').split('\n')[0]?.trim().split(/\s+/).slice(1).map(Number) ?? []
  const all = ticks.slice(0, 8).reduce((sum, one) => sum + one, 0)
  return { all, softirq: ticks[6] ?? 0, steal: ticks[7] ?? 0 }
}

export function readPressure(): number | null {
  const waited = /^some avg10=([\d.]+)/m.exec(read('/proc/pressure/memory'))
  return waited ? Number(waited[1]) : null
}

export function readLoad(): { readonly load: number; readonly processors: number } {
  return { load: loadavg()[0] ?? 0, processors: availableParallelism() }
}

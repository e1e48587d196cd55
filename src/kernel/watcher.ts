/**
 * The thread that listens for changes of the ruleset. It reads every notification of nftables and reports the
 * transactions of other programs: those that touched our table, and that there was another; idle, it sleeps in the kernel.
 * Source: nf_tables_commit() and nf_tables_gen_notify() in net/netfilter/nf_tables_api.c.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { listenNetlink } from './netlink.ts'
import { answerAttributes, textOf } from './nfnetlink.ts'

export interface WatcherData {
  /** The socket by which we write elements. */
  readonly ownPort: number
}

/** A transaction that was not ours and touched our table. `lost`: notifications were dropped, so nobody knows. */
export type Intrusion =
  | { readonly kind: 'changed'; readonly by: string; readonly pid: number }
  | { readonly kind: 'lost' }

/** `elsewhere`: other tables have changed. */
export type Event = Intrusion | { readonly kind: 'elsewhere' }

/** `listening`: from here on nothing is missed. */
export type WatcherMessage = Event | { readonly kind: 'listening' }

const NFNLGRP_NFTABLES = 7
const NEWGEN = (10 << 8) | 15
const generation = { pid: 2, name: 3 } as const
const ours = Buffer.from('drawbridge\0')
const anchor = Buffer.from('drawbridge_anchor\0')

/**
 * Our sockets, by which a transaction is known as ours; process numbers would not do, as the kernel tells those of the
 * initial namespace. libnftables does not tell the port of its socket, but only the owner of the anchor can touch it.
 */
const ownPorts = new Set([(workerData as WatcherData).ownPort])
let touched = false
let elsewhere = false

listenNetlink(NFNLGRP_NFTABLES, {
  onListening: () => report({ kind: 'listening' }),
  onMessage(type, port, bytes, start, end) {
    if (type !== NEWGEN) {
      if (isAbout(anchor, bytes, start)) ownPorts.add(port)
      const own = isAbout(ours, bytes, start)
      touched ||= own
      elsewhere ||= !own
      return
    }
    const parts = answerAttributes(bytes.subarray(start, end))
    const pid = parts.get(generation.pid)?.readUInt32BE() ?? 0
    if (touched && !ownPorts.has(port))
      report({ kind: 'changed', by: textOf(parts.get(generation.name)), pid })
    if (elsewhere && !ownPorts.has(port)) report({ kind: 'elsewhere' })
    touched = false
    elsewhere = false
  },
  onLost: () => report({ kind: 'lost' }),
})

/** Every message about a table, chain, rule, set or element begins with the name of its table. */
function isAbout(table: Buffer, bytes: Buffer, start: number): boolean {
  const name = start + 8
  return bytes.compare(table, 0, table.length, name, name + table.length) === 0
}

function report(message: WatcherMessage): void {
  parentPort?.postMessage(message)
}

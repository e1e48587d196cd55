/**
 * The thread that listens for changes of the ruleset. It reads every notification of nftables and reports the
 * transactions of other programs that touched our table; idle, it sleeps in the kernel.
 * Source: nf_tables_commit() and nf_tables_gen_notify() in net/netfilter/nf_tables_api.c.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { listenNetlink } from './netlink.ts'
import { answerAttributes, textOf } from './nfnetlink.ts'

export interface WatcherData {
  /** The thread whose transactions are ours, as gettid(2) names it. */
  readonly ownThread: number
}

/** A transaction that was not ours. `lost`: notifications were dropped, so nobody knows what happened. */
export type Intrusion =
  | { readonly kind: 'changed'; readonly by: string; readonly pid: number }
  | { readonly kind: 'lost' }

/** `listening`: from here on nothing is missed. */
export type WatcherMessage = Intrusion | { readonly kind: 'listening' }

const NFNLGRP_NFTABLES = 7
const NEWGEN = (10 << 8) | 15
const generation = { pid: 2, name: 3 } as const
const ours = Buffer.from('drawbridge\0')

const { ownThread } = workerData as WatcherData
let touched = false

listenNetlink(NFNLGRP_NFTABLES, {
  onListening: () => report({ kind: 'listening' }),
  onMessage(type, bytes, start, end) {
    if (type !== NEWGEN) {
      // Every message about a table, chain, rule, set or element begins with the name of its table.
      const name = start + 8
      touched ||= bytes.compare(ours, 0, ours.length, name, name + ours.length) === 0
      return
    }
    const parts = answerAttributes(bytes.subarray(start, end))
    const pid = parts.get(generation.pid)?.readUInt32BE() ?? 0
    if (touched && pid !== ownThread) report({ kind: 'changed', by: textOf(parts.get(generation.name)), pid })
    touched = false
  },
  onLost: () => report({ kind: 'lost' }),
})

function report(message: WatcherMessage): void {
  parentPort?.postMessage(message)
}

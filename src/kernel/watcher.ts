/**
 * The thread that listens for what others do: to our table, whose transactions it reports with the program that made
 * them, to other tables, and to the interfaces, addresses and default routes of this machine. Idle, it sleeps in the
 * kernel.
 * Source: nf_tables_commit() and nf_tables_gen_notify() in net/netfilter/nf_tables_api.c, rtnetlink(7).
 */
import { parentPort, workerData } from 'node:worker_threads'
import { isProbeDevice, probeTable } from '../model/trace/step.ts'
import { hearingOf } from './denials/hearing.ts'
import type { DenialChange, Interest } from './denials/places.ts'
import { asLoaded, bpf, type Ear, listen, wholeMessage } from './listening.ts'
import { NETLINK_NETFILTER, NETLINK_ROUTE } from './netlink.ts'
import { answerAttributes, attributeIn, textOf } from './nfnetlink.ts'
import { ownsSocket } from './own-sockets.ts'

export interface WatcherData {
  /** The socket by which we write elements. */
  readonly ownPort: number
  /** Where other programs keep whom they deny. */
  readonly interest: Interest
}

/**
 * `changed`: a transaction that was not ours touched our table. `lost`: notifications were dropped, so nobody knows what
 * happened. `elsewhere`: other tables have changed, and with them whom other programs deny (null: all must be read to
 * know). `moved`: an interface, an address or a default route of this machine
 * has changed.
 */
export type Report =
  | { readonly kind: 'changed'; readonly by: string; readonly pid: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'elsewhere'; readonly denials: readonly DenialChange[] | null }
  | { readonly kind: 'moved' }

/** `listening`: from here on nothing is missed; see `listen` for `endedBy`. */
export type WatcherMessage = Report | { readonly kind: 'listening'; readonly endedBy: number }

const { ownPort, interest } = workerData as WatcherData
const NFNLGRP_NFTABLES = 7
const NEWGEN = (10 << 8) | 15
const generation = { pid: 2, name: 3 } as const
const ours = Buffer.from('drawbridge\0')
const probing = Buffer.from(`${probeTable}\0`)
const portAt = 12
const hearing = hearingOf(interest)
let touched = false
let elsewhere = false

/**
 * A load of 64,000 forwards is 128,000 notifications: those of our own socket never leave the kernel. All messages of one
 * packet belong to one transaction (nft_commit_notify), so the first header tells.
 */
const table: Ear = {
  protocol: NETLINK_NETFILTER,
  groups: [NFNLGRP_NFTABLES],
  filter: [
    [bpf.loadWord, 0, 0, portAt],
    [bpf.ifEqual, 0, 1, asLoaded(ownPort, 4)],
    [bpf.give, 0, 0, 0],
    [bpf.give, 0, 0, wholeMessage],
  ],
  onMessage(type, port, bytes, start, end) {
    if (type !== NEWGEN) {
      const own = isAbout(ours, bytes, start)
      touched ||= own
      if (own || isAbout(probing, bytes, start)) return
      elsewhere = true
      hearing.hear(type, bytes.subarray(start, end))
      return
    }
    if (touched && !ownsSocket(port)) {
      const parts = answerAttributes(bytes.subarray(start, end))
      const pid = parts.get(generation.pid)?.readUInt32BE() ?? 0
      report({ kind: 'changed', by: textOf(parts.get(generation.name)), pid })
    }
    const denials = hearing.end()
    if (elsewhere) report({ kind: 'elsewhere', denials })
    touched = false
    elsewhere = false
  },
  onLost: () => report({ kind: 'lost' }),
}

const RTNLGRP_LINK = 1
const RTNLGRP_IPV4_IFADDR = 5
const RTNLGRP_IPV4_ROUTE = 7
const RTNLGRP_IPV6_IFADDR = 9
const RTNLGRP_IPV6_ROUTE = 11
const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const linkMessageLength = 16
const IFLA_IFNAME = 3
const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const typeAt = 4
const prefixLengthAt = 17
/** 2000::/3 is the longest prefix that counts as a default route; a router may learn thousands of longer ones a second. */
const longestDefault = 3

/** The routes that go with an address or an interface go without a message of their own (fib_sync_down_addr). */
const machine: Ear = {
  protocol: NETLINK_ROUTE,
  groups: [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE],
  filter: [
    [bpf.loadHalf, 0, 0, typeAt],
    [bpf.ifEqual, 1, 0, asLoaded(RTM_NEWROUTE, 2)],
    [bpf.ifEqual, 0, 3, asLoaded(RTM_DELROUTE, 2)],
    [bpf.loadByte, 0, 0, prefixLengthAt],
    [bpf.ifGreater, 0, 1, longestDefault],
    [bpf.give, 0, 0, 0],
    [bpf.give, 0, 0, wholeMessage],
  ],
  onMessage: (type, _port, bytes, start, end) => {
    if (type !== RTM_NEWLINK && type !== RTM_DELLINK) return report({ kind: 'moved' })
    const name = textOf(attributeIn(bytes.subarray(start + linkMessageLength, end), IFLA_IFNAME))
    if (!isProbeDevice(name)) report({ kind: 'moved' })
  },
  onLost: () => report({ kind: 'moved' }),
}

listen([table, machine], (endedBy) => report({ kind: 'listening', endedBy }))

/** Every message about a table, chain, rule, set or element begins with the name of its table. */
function isAbout(name: Buffer, bytes: Buffer, start: number): boolean {
  const at = start + 8
  return bytes.compare(name, 0, name.length, at, at + name.length) === 0
}

function report(message: WatcherMessage): void {
  parentPort?.postMessage(message)
}

/**
 * Chains and rules of any table as the kernel tells them, each kind of question in one place. The ruleset as a whole is
 * never listed. Source: nf_tables_fill_chain_info() and nf_tables_fill_rule_info() in net/netfilter/nf_tables_api.c.
 */
import { readFileSync } from 'node:fs'
import type { Family } from '../model/address.ts'
import { probeTable } from '../model/trace/step.ts'
import { orEmpty } from './dump.ts'
import type { Netlink } from './netlink.ts'
import {
  answerAttributes,
  attributes,
  eachAttribute,
  NLM_F_DUMP,
  nftMessage,
  single,
  tableName,
  textOf,
} from './nfnetlink.ts'

const GETCHAIN = nftMessage(4)
const GETRULE = nftMessage(7)
const chain = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const
const hook = { number: 1, priority: 2, device: 3, devices: 4 } as const
const rule = { table: 1, chain: 2, handle: 3, expressions: 4 } as const
const NF_DROP = 0
const DEVICE_PREFIX = 2

/** Our own tables: whoever asks about other programs leaves them out. */
export const ownTables: ReadonlySet<string> = new Set([tableName, `${tableName}_anchor`, probeTable])

/** The families of tables that see packets of IPv4 or IPv6 as such, as nft calls them. */
export const familyNames: Readonly<Record<number, 'inet' | 'ip' | 'ip6'>> = { 1: 'inet', 2: 'ip', 10: 'ip6' }

interface Hook {
  readonly number: number
  readonly priority: number
  /** Names of devices, or beginnings of them with a `*` (Linux 6.16); only where the kernel calls it for devices. */
  readonly devices: readonly string[]
}

/** Of every kind of table. */
export const tableFamilies: Readonly<Record<number, string>> = {
  ...familyNames,
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
}

export const hookNames = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const
const inetHooks = [...hookNames, 'ingress'] as const
const netdevHooks = ['ingress', 'egress'] as const
const NETDEV = 5

export function hookNameOf({ family, hook }: ChainInfo): string {
  return (family === NETDEV ? netdevHooks : inetHooks)[hook?.number ?? -1] ?? ''
}

export function isIngress(chain: ChainInfo): boolean {
  return hookNameOf(chain) === 'ingress'
}

export interface ChainInfo {
  /** As netlink numbers it. */
  readonly family: number
  readonly table: string
  readonly name: string
  /** `filter`, `nat`, `route`; '' of a chain that rules jump to. */
  readonly type: string
  /** Of a base chain. */
  readonly drops: boolean
  /** Where the kernel calls it; null: only rules do. */
  readonly hook: Hook | null
}

/** Every chain of every family. */
export function readChains(netlink: Netlink): ChainInfo[] {
  const request = single(GETCHAIN, NLM_F_DUMP, 0, () => {})
  return netlink.request(request, 'reading chains').map(({ body }) => {
    const parts = answerAttributes(body)
    return {
      family: body.readUInt8(0),
      table: textOf(parts.get(chain.table)),
      name: textOf(parts.get(chain.name)),
      type: textOf(parts.get(chain.type)),
      drops: parts.get(chain.policy)?.readUInt32BE() === NF_DROP,
      hook: hookOf(attributes(parts.get(chain.hook) ?? Buffer.alloc(0))),
    }
  })
}

function hookOf(parts: ReadonlyMap<number, Buffer>): Hook | null {
  const number = parts.get(hook.number)?.readUInt32BE()
  if (number === undefined) return null
  const listed = [...eachAttribute(parts.get(hook.devices) ?? Buffer.alloc(0))].map(([type, name]) =>
    type === DEVICE_PREFIX ? `${textOf(name)}*` : textOf(name),
  )
  const only = parts.get(hook.device)
  return {
    number,
    priority: parts.get(hook.priority)?.readInt32BE() ?? 0,
    devices: listed.length > 0 || !only ? listed : [textOf(only)],
  }
}

export interface RuleInfo {
  readonly chain: string
  readonly handle: bigint
  /** The attribute of that name. */
  readonly expressions: Buffer
}

/** The rules of a table, or of one chain of it, in their order; none when there is no such table. */
export function readRules(netlink: Netlink, family: number, table: string, name?: string): RuleInfo[] {
  const request = single(GETRULE, NLM_F_DUMP, family, (to) => {
    to.text(rule.table, table)
    if (name !== undefined) to.text(rule.chain, name)
  })
  return orEmpty(() => netlink.request(request, 'reading rules')).flatMap(({ body }) => {
    const parts = answerAttributes(body)
    const found = ruleIn(parts)
    // A kernel that does not filter gives the rules of every table.
    const asked = textOf(parts.get(rule.table)) === table && (name === undefined || found.chain === name)
    return asked ? [found] : []
  })
}

/** The rule in the attributes of an answer or of a notification. */
export function ruleIn(parts: ReadonlyMap<number, Buffer>): RuleInfo {
  return {
    chain: textOf(parts.get(rule.chain)),
    handle: parts.get(rule.handle)?.readBigUInt64BE() ?? 0n,
    expressions: parts.get(rule.expressions) ?? Buffer.alloc(0),
  }
}

/** The tables of iptables-legacy: they list themselves, and nf_tables does not know them. None where the kernel has none. */
export function readLegacyTables(family: Family): readonly string[] {
  try {
    const file = family === 4 ? 'ip_tables_names' : 'ip6_tables_names'
    return readFileSync(`/proc/thread-self/net/${file}`, 'utf8')
      .split('\n')
      .filter((name) => name !== '')
  } catch {
    return []
  }
}

/**
 * Which destination NAT other programs have made in nftables, iptables-nft included: the base chains of NAT at prerouting
 * and what they lead to, rule by rule. The ruleset as a whole is never listed.
 */
import { readFileSync } from 'node:fs'
import { allPorts, isNever, type Match, overlap } from '../../model/match.ts'
import type { Others, OthersForward } from '../../model/others.ts'
import { orEmpty, untorn } from '../dump.ts'
import type { Netlink } from '../netlink.ts'
import {
  answerAttributes,
  attributes,
  NLM_F_DUMP,
  nftMessage,
  single,
  tableName,
  textOf,
} from '../nfnetlink.ts'
import { readRule } from './expressions.ts'
import { readElements } from './sets.ts'

const GETCHAIN = nftMessage(4)
const GETRULE = nftMessage(7)
const PREROUTING = 0
const own = new Set([tableName, `${tableName}_anchor`])
const familyNames: Readonly<Record<number, string>> = { 1: 'inet', 2: 'ip', 10: 'ip6' }

/** A host with more rules of NAT than this is not looked through to the end. */
const mostRules = 20_000
/** As the kernel allows jumps (NFT_JUMP_STACK_SIZE). */
const deepest = 16

interface BaseChain {
  readonly family: number
  readonly table: string
  readonly name: string
  readonly priority: number
}

export function readOthers(netlink: Netlink): Others {
  return untorn(netlink, (reader) => {
    const walk = walkOf(reader)
    for (const chain of readBaseChains(reader)) walk.through(chain)
    return { forwards: walk.found, cutShort: walk.left() <= 0, legacy: hasLegacy() }
  })
}

function readBaseChains(netlink: Netlink): BaseChain[] {
  const request = single(GETCHAIN, NLM_F_DUMP, 0, () => {})
  return netlink.request(request, 'reading chains').flatMap(({ body }) => {
    const parts = answerAttributes(body)
    const hook = attributes(parts.get(4) ?? Buffer.alloc(0))
    const [family, table] = [body.readUInt8(0), textOf(parts.get(1))]
    if (textOf(parts.get(7)) !== 'nat' || hook.get(1)?.readUInt32BE() !== PREROUTING) return []
    if (familyNames[family] === undefined || own.has(table)) return []
    return [{ family, table, name: textOf(parts.get(3)), priority: hook.get(2)?.readInt32BE() ?? 0 }]
  })
}

interface Walk {
  readonly found: readonly OthersForward[]
  through(chain: BaseChain): void
  /** Rules that may still be read. */
  left(): number
}

function walkOf(netlink: Netlink): Walk {
  const found: OthersForward[] = []
  let left = mostRules

  const chainOf = (base: BaseChain, name: string, comes: Match, leaving: readonly Match[], depth: number) => {
    if (depth > deepest || left <= 0) return
    // Who leaves before a rule does not come to it.
    const gone = [...leaving]
    const sets = (set: string) => readElements(netlink, base.family, base.table, set)
    for (const { handle, expressions } of readRules(netlink, base, name)) {
      left -= 1
      for (const outcome of readRule(expressions, comes, base.family, sets)) {
        if (isNever(outcome.match)) continue
        if (outcome.kind === 'leave') {
          if (outcome.match === comes) return
          gone.push(outcome.match)
        } else if (outcome.kind === 'jump') chainOf(base, outcome.chain, outcome.match, gone, depth + 1)
        else {
          const exact = outcome.match.exact && !gone.some((one) => overlap(one, outcome.match))
          found.push({ ...outcome.match, exact, to: outcome.to, ...placeOf(base, name, handle) })
        }
      }
    }
  }

  return {
    found,
    left: () => left,
    through: (base) => chainOf(base, base.name, everythingOf(base.family), [], 0),
  }
}

function everythingOf(family: number): Match {
  const families = family === 2 ? ([4] as const) : family === 10 ? ([6] as const) : ([4, 6] as const)
  const protocols = ['tcp', 'udp'] as const
  return { families, protocols, ports: allPorts, addresses: null, interfaces: null, exact: true }
}

function placeOf({ family, table, priority }: BaseChain, chain: string, handle: number) {
  return {
    by: programOf(table, chain),
    where: { table: `${familyNames[family]} ${table}`, chain, handle, priority },
  }
}

/** Chains and tables by whose names their makers can be told. */
function programOf(table: string, chain: string): string | null {
  if (chain === 'DOCKER' || table === 'docker-bridges') return 'Docker'
  if (chain.startsWith('KUBE-') || table === 'kube-proxy') return 'Kubernetes'
  if (table === 'firewalld') return 'firewalld'
  if (/^(NETAVARK|CNI)-/.test(chain) || table === 'netavark') return 'Podman'
  return table === 'libvirt_network' || chain.startsWith('LIBVIRT_') ? 'libvirt' : null
}

function readRules(netlink: Netlink, { family, table }: BaseChain, chain: string) {
  const request = single(GETRULE, NLM_F_DUMP, family, (to) => {
    to.text(1, table)
    to.text(2, chain)
  })
  return orEmpty(() => netlink.request(request, 'reading rules')).flatMap(({ body }) => {
    const parts = answerAttributes(body)
    const expressions = parts.get(4)
    // A kernel that does not filter gives every rule of the table.
    if (!expressions || textOf(parts.get(1)) !== table || textOf(parts.get(2)) !== chain) return []
    return [{ handle: Number(parts.get(3)?.readBigUInt64BE() ?? 0n), expressions }]
  })
}

/** The old kernel tables list themselves; nf_tables does not know them. Absent where the kernel has none. */
function hasLegacy(): boolean {
  return ['ip_tables_names', 'ip6_tables_names'].some((file) => {
    try {
      return readFileSync(`/proc/thread-self/net/${file}`, 'utf8').split('\n').includes('nat')
    } catch {
      return false
    }
  })
}

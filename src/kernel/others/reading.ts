/**
 * Which destination NAT other programs have made in nftables, iptables-nft included: the base chains of NAT at prerouting
 * and what they lead to, rule by rule. The ruleset as a whole is never listed.
 */
import { allPorts, isNever, type Match, overlap } from '../../model/match.ts'
import type { Others, OthersForward } from '../../model/others.ts'
import { untorn } from '../dump.ts'
import type { Netlink } from '../netlink.ts'
import { familyNames, ownTables, readChains, readLegacyTables, readRules } from '../ruleset.ts'
import { readRule } from './expressions.ts'
import { readElements } from './sets.ts'

const PREROUTING = 0

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
    return {
      forwards: walk.found,
      cutShort: walk.left() <= 0,
      legacy: ([4, 6] as const).some((family) => readLegacyTables(family).includes('nat')),
    }
  })
}

function readBaseChains(netlink: Netlink): BaseChain[] {
  return readChains(netlink).flatMap(({ family, table, name, type, hook }) => {
    if (type !== 'nat' || hook?.number !== PREROUTING) return []
    if (familyNames[family] === undefined || ownTables.has(table)) return []
    return [{ family, table, name, priority: hook.priority }]
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
    for (const { handle, expressions } of readRules(netlink, base.family, base.table, name)) {
      left -= 1
      for (const outcome of readRule(expressions, comes, base.family, sets)) {
        if (isNever(outcome.match)) continue
        if (outcome.kind === 'leave') {
          if (outcome.match === comes) return
          gone.push(outcome.match)
        } else if (outcome.kind === 'jump') chainOf(base, outcome.chain, outcome.match, gone, depth + 1)
        else {
          const exact = outcome.match.exact && !gone.some((one) => overlap(one, outcome.match))
          found.push({ ...outcome.match, exact, to: outcome.to, ...placeOf(base, name, Number(handle)) })
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

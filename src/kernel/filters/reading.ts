/** All that other programs' rules may do to a packet from outside: their base chains on its way, and what those lead to. */
import type { Family } from '../../model/address.ts'
import type { BaseChain, Chain, Filters, Rule, Step, Verdict } from '../../model/exposure/rules.ts'
import { untorn } from '../dump.ts'
import type { Netlink } from '../netlink.ts'
import { answerAttributes, NLM_F_DUMP, nftMessage, single, textOf } from '../nfnetlink.ts'
import { hasRest, readElements } from '../others/sets.ts'
import { ownTables, readChains, readRules } from '../ruleset.ts'
import { readLegacy } from './legacy.ts'
import { type ReadSet, readSteps } from './rules.ts'

const GETTABLE = nftMessage(1)
const DORMANT = 1
/** Source: enum nf_inet_hooks, nf_dev_hooks and, of bridges, include/uapi/linux/netfilter_bridge.h. */
const hooks: readonly BaseChain['hook'][] = [
  'prerouting',
  'input',
  'forward',
  'output',
  'postrouting',
  'ingress',
]
const bridgeHooks: readonly (BaseChain['hook'] | null)[] = [
  'bridge prerouting',
  'bridge input',
  // What a bridge sends from port to port is neither for this machine nor routed by it.
  null,
  'bridge output',
  'bridge postrouting',
  // Who is in charge of this one may have frames routed instead of bridged.
  'bridge prerouting',
]
interface FamilyFacts {
  readonly name: string
  readonly families: readonly Family[]
  readonly hooks: readonly (BaseChain['hook'] | null)[]
}
const tableFamilies: Readonly<Record<number, FamilyFacts>> = {
  1: { name: 'inet', families: [4, 6], hooks },
  2: { name: 'ip', families: [4], hooks },
  5: { name: 'netdev', families: [4, 6], hooks: ['ingress', 'egress'] },
  7: { name: 'bridge', families: [4, 6], hooks: bridgeHooks },
  10: { name: 'ip6', families: [6], hooks },
}

/** A host with more rules than this is not looked through to the end. */
const mostRules = 20_000

type Base = BaseChain & { readonly number: number; readonly tableName: string }

export function readFilters(netlink: Netlink): Filters {
  return untorn(netlink, (reader) => {
    const bases = readBaseChains(reader)
    const reading = { left: mostRules }
    const chains: Record<string, Chain> = {}
    for (const [table, [first]] of Map.groupBy(bases, (base) => base.table)) {
      if (!first) continue
      const rules = readTable(reader, first, reading)
      const names = bases.filter((base) => base.table === table).map(({ name }) => name)
      for (const name of reachable(rules, names))
        chains[`${table} ${name}`] = { name, rules: rules.get(name) ?? [] }
    }
    const legacy = readLegacy(reading)
    return {
      bases: [...bases.map(({ number: _number, tableName: _name, ...base }) => base), ...legacy.bases],
      chains: { ...chains, ...legacy.chains },
      cutShort: reading.left < 0,
      refused: legacy.refused,
    }
  })
}

function readBaseChains(netlink: Netlink): Base[] {
  const asleep = dormantTables(netlink)
  return readChains(netlink).flatMap(({ family: number, table: named, name, type, drops, hook: hooked }) => {
    const family = tableFamilies[number]
    const hook = hooked && family?.hooks[hooked.number]
    if (!hook || ownTables.has(named) || asleep.has(`${number} ${named}`)) return []
    const place = { table: `${family.name} ${named}`, families: family.families, name }
    const at = { hook, priority: hooked.priority, devices: hooked.devices, number, tableName: named }
    // A chain of the type route filters as well, at the output hook.
    const how = { type: type === 'nat' ? type : 'filter', policy: drops ? 'drop' : 'accept' } as const
    return [{ ...place, ...how, ...at }]
  })
}

function dormantTables(netlink: Netlink): ReadonlySet<string> {
  const tables = netlink.request(
    single(GETTABLE, NLM_F_DUMP, 0, () => {}),
    'reading tables',
  )
  return new Set(
    tables.flatMap(({ body }) => {
      const parts = answerAttributes(body)
      const sleeps = ((parts.get(2)?.readUInt32BE() ?? 0) & DORMANT) !== 0
      return sleeps ? [`${body.readUInt8(0)} ${textOf(parts.get(1))}`] : []
    }),
  )
}

/** The rules of a table by chain, in their order; of those beyond the number that is enough only that they are there. */
function readTable(
  netlink: Netlink,
  { number, tableName: table }: Base,
  reading: { left: number },
): Map<string, Rule[]> {
  const found = new Map<string, Rule[]>()
  const known = new Map<string, ReturnType<ReadSet>>()
  const readSet: ReadSet = (set) => {
    const found = known.get(set)
    if (found) return found
    const elements = readElements(netlink, number, table, set)
    const read = { elements, rest: hasRest(netlink, number, table, set) }
    known.set(set, read)
    return read
  }
  for (const { chain, handle, expressions } of readRules(netlink, number, table)) {
    reading.left -= 1
    const steps = reading.left < 0 ? unlooked : readSteps(expressions, number, readSet)
    const rules = found.get(chain) ?? []
    rules.push({ handle: Number(handle), steps })
    found.set(chain, rules)
  }
  return found
}

const unlooked: readonly Step[] = [{ kind: 'verdict', verdict: { kind: 'queue' } }]

/** The chains that packets may come to. */
function reachable(rules: ReadonlyMap<string, readonly Rule[]>, from: readonly string[]): Iterable<string> {
  const found = new Set(from)
  // A set is walked together with what is added on the way.
  for (const name of found) {
    for (const { steps } of rules.get(name) ?? [])
      for (const chain of steps.flatMap(chainsIn)) found.add(chain)
  }
  return found
}

function chainsIn(step: Step): string[] {
  const verdicts: readonly Verdict[] =
    step.kind === 'verdict'
      ? [step.verdict]
      : step.kind === 'branch'
        ? step.rows.map(({ verdict }) => verdict)
        : []
  return verdicts.flatMap((verdict) => ('chain' in verdict ? [verdict.chain] : []))
}

/** All that other programs' rules may do to a packet from outside: their base chains on its way, and what those lead to. */
import { readFileSync } from 'node:fs'
import type { Family } from '../../model/address.ts'
import type { BaseChain, Chain, Filters, Rule, Step, Verdict } from '../../model/exposure/rules.ts'
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
import { hasRest, readElements } from '../others/sets.ts'
import { type ReadSet, readSteps } from './rules.ts'

const GETTABLE = nftMessage(1)
const GETCHAIN = nftMessage(4)
const GETRULE = nftMessage(7)
const DORMANT = 1
const own = new Set([tableName, `${tableName}_anchor`])
const hooks = { 0: 'prerouting', 1: 'input', 2: 'forward' } as const satisfies Record<
  number,
  BaseChain['hook']
>
const tableFamilies: Readonly<Record<number, readonly [string, readonly Family[]]>> = {
  1: ['inet', [4, 6]],
  2: ['ip', [4]],
  10: ['ip6', [6]],
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
    return {
      bases: bases.map(({ number: _number, tableName: _name, ...base }) => base),
      chains,
      cutShort: reading.left < 0,
      legacy: hasLegacy(),
    }
  })
}

function readBaseChains(netlink: Netlink): Base[] {
  const asleep = dormantTables(netlink)
  const request = single(GETCHAIN, NLM_F_DUMP, 0, () => {})
  return netlink.request(request, 'reading chains').flatMap(({ body }) => {
    const parts = answerAttributes(body)
    const number = body.readUInt8(0)
    const [family, named] = [tableFamilies[number], textOf(parts.get(1))]
    const hooked = attributes(parts.get(4) ?? Buffer.alloc(0))
    const hook = hooks[(hooked.get(1)?.readUInt32BE() ?? 9) as keyof typeof hooks]
    const type = textOf(parts.get(7))
    if (!parts.has(4) || !family || !hook || own.has(named) || asleep.has(`${number} ${named}`)) return []
    if (type !== 'filter' && type !== 'nat') return []
    const policy = parts.get(5)?.readUInt32BE() === 0 ? 'drop' : 'accept'
    const priority = hooked.get(2)?.readInt32BE() ?? 0
    const place = { table: `${family[0]} ${named}`, families: family[1], name: textOf(parts.get(3)) }
    return [{ ...place, type, hook, priority, policy, number, tableName: named } as const]
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
  const request = single(GETRULE, NLM_F_DUMP, number, (to) => to.text(1, table))
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
  for (const { body } of orEmpty(() => netlink.request(request, 'reading rules'))) {
    const parts = answerAttributes(body)
    // A kernel that does not filter gives the rules of every table.
    if (textOf(parts.get(1)) !== table) continue
    reading.left -= 1
    const chain = textOf(parts.get(2))
    const handle = Number(parts.get(3)?.readBigUInt64BE() ?? 0n)
    const steps = reading.left < 0 ? unlooked : readSteps(parts.get(4) ?? Buffer.alloc(0), number, readSet)
    const rules = found.get(chain) ?? []
    rules.push({ handle, steps })
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

/** The old kernel tables list themselves; nf_tables does not know them. Absent where the kernel has none. */
function hasLegacy(): boolean {
  return ['ip_tables_names', 'ip6_tables_names'].some((file) => {
    try {
      return readFileSync(`/proc/thread-self/net/${file}`, 'utf8').trim() !== ''
    } catch {
      return false
    }
  })
}

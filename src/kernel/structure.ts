/** The static part of our table in the kernel: its chains, rules and sets, without their elements. */
import { createHash } from 'node:crypto'
import { orEmpty, untorn } from './dump.ts'
import type { Netlink } from './netlink.ts'
import { answerAttributes, family, NLM_F_DUMP, nftMessage, single, tableName, textOf } from './nfnetlink.ts'
import { readChains } from './ruleset.ts'

const GETTABLE = nftMessage(1)
const GETCHAIN = nftMessage(4)
const GETRULE = nftMessage(7)
const GETSET = nftMessage(10)
const tableFlags = 2

/** The names of our sets in the kernel. */
export function readSetNames(netlink: Netlink): string[] {
  const request = single(GETSET, NLM_F_DUMP, family.inet, (to) => to.text(1, tableName))
  const sets = orEmpty(() => untorn(netlink, (reader) => reader.request(request, 'reading sets')))
  return sets.map(({ body }) => textOf(answerAttributes(body).get(2)))
}

/** The names of the chains in our table. */
export function readChainNames(netlink: Netlink): string[] {
  const chains = untorn(netlink, readChains)
  return chains.flatMap((one) => (one.family === family.inet && one.table === tableName ? [one.name] : []))
}

const chainAttributes = { name: 3, hook: 4, policy: 5, type: 7 } as const
const ruleAttributes = { table: 1, chain: 2, expressions: 4 } as const
const setAttributes = { name: 2, flags: 3, keyType: 4, keyLength: 5, dataType: 6, dataLength: 7 } as const

/**
 * What the kernel holds of the static part, as one hash: chains with their hooks, rules with their expressions, sets
 * with their types. Handles and counters are left out, so the same skeleton loaded twice has the same fingerprint.
 * '' when there is no table.
 */
export function readFingerprint(netlink: Netlink): string {
  const dump = (type: number) =>
    untorn(netlink, (reader) =>
      reader.request(
        single(type, NLM_F_DUMP, family.inet, (to) => to.text(1, tableName)),
        'reading the table',
      ),
    ).map(({ body }) => answerAttributes(body))
  return (
    orEmpty(() => {
      const rules = dump(GETRULE).filter((rule) => textOf(rule.get(ruleAttributes.table)) === tableName)
      const chains = dump(GETCHAIN).filter((chain) => textOf(chain.get(1)) === tableName)
      const sets = dump(GETSET).filter((set) => !textOf(set.get(setAttributes.name)).startsWith('__'))
      if (chains.length === 0) return []
      const tables = dump(GETTABLE).filter((table) => textOf(table.get(1)) === tableName)
      const hash = createHash('sha256')
      for (const table of tables) digest(hash, table, [tableFlags])
      // Chains by name, as they lie in the order in which they came to be needed; rules in their order, which counts.
      const named = (part: Map<number, Buffer>, type: number) => textOf(part.get(type))
      const byName = chains.sort((a, b) =>
        named(a, chainAttributes.name) < named(b, chainAttributes.name) ? -1 : 1,
      )
      const inChain = Map.groupBy(rules, (rule) => named(rule, ruleAttributes.chain))
      for (const chain of byName) {
        digest(hash, chain, Object.values(chainAttributes))
        for (const rule of inChain.get(named(chain, chainAttributes.name)) ?? []) {
          digest(hash, withoutAnonymous(rule), Object.values(ruleAttributes))
        }
      }
      for (const line of sets.map((set) => setLine(set)).sort()) hash.update(line)
      return [hash.digest('hex')]
    })[0] ?? ''
  )
}

function digest(
  hash: ReturnType<typeof createHash>,
  parts: Map<number, Buffer>,
  wanted: readonly number[],
): void {
  for (const type of wanted) hash.update(`${type}:`).update(parts.get(type) ?? '')
}

/** Anonymous sets (`{ tcp, udp }`) are numbered by the kernel; the number says nothing. */
function withoutAnonymous(rule: Map<number, Buffer>): Map<number, Buffer> {
  const bytes = rule.get(ruleAttributes.expressions)
  if (!bytes) return rule
  const text = bytes.toString('latin1').replace(/__set\d+\0*/g, '__set')
  return new Map(rule).set(ruleAttributes.expressions, Buffer.from(text, 'latin1'))
}

function setLine(set: Map<number, Buffer>): string {
  return Object.values(setAttributes)
    .map((type) => set.get(type)?.toString('hex') ?? '')
    .join(' ')
}

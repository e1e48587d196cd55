/** The chains of other programs: which there are, and what their base chains do with what no rule of theirs decides. */
import type { ForeignChain } from '../model/foreign.ts'
import { untorn } from './dump.ts'
import type { Netlink } from './netlink.ts'
import { type ChainInfo, familyNames, hookNames, ownTables, readChains } from './ruleset.ts'
import { readForwardVerdict } from './verdicts.ts'

export function readForeignChains(netlink: Netlink): ForeignChain[] {
  return untorn(netlink, (reader) =>
    readChains(reader).flatMap((one) => {
      const family = familyNames[one.family]
      if (!family || ownTables.has(one.table)) return []
      return [{ family, table: one.table, name: one.name, base: baseOf(reader, one) }]
    }),
  )
}

function baseOf(netlink: Netlink, chain: ChainInfo): ForeignChain['base'] {
  if (!chain.hook) return null
  const { type, drops } = chain
  const base = {
    hook: hookNames[chain.hook.number] ?? 'prerouting',
    priority: chain.hook.priority,
    type,
    drops,
  } as const
  if (base.hook !== 'forward') return { ...base, ending: null, admits: [] }
  const { end, admits } = readForwardVerdict(netlink, chain)
  const ending =
    end === 'drops' ? 'its last rule drops' : end === 'goes on' && base.drops ? 'policy drop' : null
  return { ...base, ending, admits }
}

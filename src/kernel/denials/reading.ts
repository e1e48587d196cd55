/** Reads whom other programs deny: the sets and chains of interest, one by one; nothing else is listed. */
import { untorn } from '../dump.ts'
import type { Netlink } from '../netlink.ts'
import { answerAttributes, NLM_F_DUMP, nftMessage, single, textOf } from '../nfnetlink.ts'
import { readRaw } from '../others/sets.ts'
import { type RuleInfo, readChains, readRules } from '../ruleset.ts'
import { deniedBy, entriesOf } from './entries.ts'
import {
  type Denials,
  type Entry,
  familyName,
  familyNumber,
  type Interest,
  isAmong,
  type Place,
} from './places.ts'

const GETSET = nftMessage(10)
const setAttributes = { table: 1, name: 2, flags: 3, keyLength: 5 } as const
/** NFT_SET_ANONYMOUS and NFT_SET_MAP. */
const notPlain = 1 | 8
/** NFT_SET_INTERVAL. */
const ofIntervals = 4

export function readDenials(netlink: Netlink, interest: Interest): readonly Denials[] {
  return untorn(netlink, (reader) => [
    ...setsOf(reader, interest).map(({ place, flags }) => ({
      place,
      ...((flags & ofIntervals) !== 0 && { intervals: true }),
      entries: entriesOf(readRaw(reader, familyNumber(place), place.table, place.name)),
    })),
    ...chainsOf(reader, interest).map((place) => {
      const rules = readRules(reader, familyNumber(place), place.table, place.name)
      return { place, entries: rules.flatMap((rule) => ruleEntry(rule) ?? []) }
    }),
  ])
}

function setsOf(netlink: Netlink, { tables }: Interest): { place: Place; flags: number }[] {
  const request = single(GETSET, NLM_F_DUMP, 0, () => {})
  return netlink.request(request, 'reading sets').flatMap(({ body }) => {
    const parts = answerAttributes(body)
    const [family, table] = [familyName(body.readUInt8(0)), textOf(parts.get(setAttributes.table))]
    if (!family || !isAmong(tables, table)) return []
    const flags = parts.get(setAttributes.flags)?.readUInt32BE() ?? 0
    const length = parts.get(setAttributes.keyLength)?.readUInt32BE() ?? 0
    if ((flags & notPlain) !== 0 || (length !== 4 && length !== 16)) return []
    const name = textOf(parts.get(setAttributes.name))
    return [{ place: { kind: 'set', family, table, name }, flags }]
  })
}

function chainsOf(netlink: Netlink, { chains }: Interest): Place[] {
  return readChains(netlink).flatMap(({ family: number, table, name }) => {
    const family = familyName(number)
    return family && isAmong(chains, name) ? [{ kind: 'chain' as const, family, table, name }] : []
  })
}

/** Undefined for a rule that denies no source address. */
export function ruleEntry({ handle, expressions }: RuleInfo): Entry | undefined {
  const prefix = deniedBy(expressions)
  return prefix && { id: String(handle), prefixes: [prefix], lasts: null }
}

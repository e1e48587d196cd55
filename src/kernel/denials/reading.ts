/** Reads whom other programs deny: the sets and chains of interest, one by one; nothing else is listed. */
import { orEmpty, untorn } from '../dump.ts'
import type { Netlink } from '../netlink.ts'
import { answerAttributes, NLM_F_DUMP, nftMessage, single, textOf } from '../nfnetlink.ts'
import { readRaw } from '../others/sets.ts'
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

const GETCHAIN = nftMessage(4)
const GETRULE = nftMessage(7)
const GETSET = nftMessage(10)
const setAttributes = { table: 1, name: 2, flags: 3, keyLength: 5 } as const
const chainAttributes = { table: 1, name: 3 } as const
const ruleAttributes = { table: 1, chain: 2, handle: 3, expressions: 4 } as const
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
    ...chainsOf(reader, interest).map((place) => ({ place, entries: readRules(reader, place) })),
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
  const request = single(GETCHAIN, NLM_F_DUMP, 0, () => {})
  return netlink.request(request, 'reading chains').flatMap(({ body }) => {
    const parts = answerAttributes(body)
    const [family, name] = [familyName(body.readUInt8(0)), textOf(parts.get(chainAttributes.name))]
    if (!family || !isAmong(chains, name)) return []
    return [{ kind: 'chain' as const, family, table: textOf(parts.get(chainAttributes.table)), name }]
  })
}

function readRules(netlink: Netlink, place: Place): Entry[] {
  const request = single(GETRULE, NLM_F_DUMP, familyNumber(place), (to) => {
    to.text(ruleAttributes.table, place.table)
    to.text(ruleAttributes.chain, place.name)
  })
  return orEmpty(() => netlink.request(request, 'reading rules')).flatMap(({ body }) => {
    const parts = answerAttributes(body)
    // A kernel that does not filter gives every rule of the table.
    const here =
      textOf(parts.get(ruleAttributes.table)) === place.table &&
      textOf(parts.get(ruleAttributes.chain)) === place.name
    return here ? (ruleEntry(parts) ?? []) : []
  })
}

/** Undefined for a rule that denies no source address. */
export function ruleEntry(parts: ReadonlyMap<number, Buffer>): Entry | undefined {
  const prefix = deniedBy(parts.get(ruleAttributes.expressions) ?? Buffer.alloc(0))
  return prefix && { id: handleOf(parts), prefixes: [prefix], lasts: null }
}

export function handleOf(parts: ReadonlyMap<number, Buffer>): string {
  return String(parts.get(ruleAttributes.handle)?.readBigUInt64BE() ?? 0n)
}

/**
 * Sets of ipset(8), which tells nobody of what changes in them: they have to be looked at. Source:
 * include/uapi/linux/netfilter/ipset/ip_set.h and ip_set_dump_do() in net/netfilter/ipset/ip_set_core.c.
 */
import { existsSync } from 'node:fs'
import type { Prefix } from '../../model/address.ts'
import { orEmpty } from '../dump.ts'
import { decodeFields } from '../fields.ts'
import type { Netlink } from '../netlink.ts'
import {
  answerAttributes,
  attributeIn,
  attributes,
  eachAttribute,
  family,
  NLM_F_DUMP,
  single,
  textOf,
} from '../nfnetlink.ts'
import { type Denials, type Entry, familyName, isAmong, type Place } from './places.ts'

const LIST = (6 << 8) | 7
/** Every kernel since 2.6.39 speaks it. */
const PROTOCOL = 6
const LIST_HEADER = 4
const parts = { protocol: 1, name: 2, family: 5, flags: 6, data: 7, elements: 8 } as const
const element = { address: 1, length: 3 } as const
/** Address, length, timeout, line, bytes, packets and comment: with anything else it is not simply denied. */
const harmless = new Set([1, 3, 6, 9, 24, 25, 26])
const header = { count: 24 } as const

/** Asking a kernel without ipset would have it load the module. */
const present = () => existsSync('/sys/module/ip_set')

export interface IpsetHead {
  readonly place: Place
  /** How many elements it has. */
  readonly count: number
}

/** The sets whose names begin so, without their elements. */
export function readIpsetHeads(netlink: Netlink, beginnings: readonly string[]): readonly IpsetHead[] {
  if (!present()) return []
  return list(netlink, LIST_HEADER).flatMap((answer) => {
    const name = textOf(answer.get(parts.name))
    const family = familyName(answer.get(parts.family)?.readUInt8(0) ?? 0) ?? ''
    const count = attributes(answer.get(parts.data) ?? Buffer.alloc(0)).get(header.count)
    return isAmong(beginnings, name)
      ? [{ place: { kind: 'ipset', family, table: '', name }, count: count?.readUInt32BE() ?? 0 }]
      : []
  })
}

/** Whom a set denies, if it is one of addresses or networks alone. */
export function readIpset(netlink: Netlink, place: Place): Denials {
  const entries = list(netlink, 0, place.name).flatMap((answer) => {
    const elements = answer.get(parts.elements) ?? Buffer.alloc(0)
    return [...eachAttribute(elements)].flatMap(([, bytes]) => entryOf(bytes) ?? [])
  })
  return { place, entries }
}

function list(netlink: Netlink, flags: number, name?: string): Map<number, Buffer>[] {
  const request = single(LIST, NLM_F_DUMP, family.ipv4, (to) => {
    to.attribute(parts.protocol, Uint8Array.of(PROTOCOL))
    if (name !== undefined) to.text(parts.name, name)
    if (flags !== 0) to.u32(parts.flags, flags)
  })
  return orEmpty(() => netlink.request(request, 'reading an ipset')).map(({ body }) => answerAttributes(body))
}

/** Undefined for an element of another kind: with a port, an interface, a range. */
function entryOf(bytes: Buffer): Entry | undefined {
  const found = attributes(bytes)
  const address = [...eachAttribute(found.get(element.address) ?? Buffer.alloc(0))][0]?.[1]
  if (!address || [...found.keys()].some((type) => !harmless.has(type))) return undefined
  const four = address.length === 4
  const length = attributeIn(bytes, element.length)?.readUInt8(0) ?? address.length * 8
  const text = decodeFields([four ? 'ipv4_addr' : 'ipv6_addr'], address)
  const prefix: Prefix = { family: four ? 4 : 6, text, length }
  return { id: `${text}/${length}`, prefixes: [prefix], lasts: null }
}

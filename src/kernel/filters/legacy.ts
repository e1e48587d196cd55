/**
 * Tables of iptables-legacy as the same steps as all others. The kernel gives a whole table by getsockopt(2), on any socket of
 * the family, to whoever has CAP_NET_ADMIN. Only tables that are there are asked for, as asking makes them. Source:
 * include/uapi/linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h and netfilter/x_tables.h.
 */
import koffi from 'koffi'
import type { Family } from '../../model/address.ts'
import type { BaseChain, Chain, FieldName, Rule, Step } from '../../model/exposure/rules.ts'
import { textOf } from '../nfnetlink.ts'
import { readLegacyTables } from '../ruleset.ts'
import { stepsOfMatch, stepsOfTarget } from './xtables.ts'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int name, _Inout_ uint8_t *value, _Inout_ uint32_t *length)',
)
const close = libc.func('int close(int fd)')

const HEAD = 32
const [DROP, ACCEPT, RETURN] = [-1, -2, -5]
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000
const [GET_INFO, GET_ENTRIES] = [64, 65]

/** Where struct ipt_entry and ip6t_entry have what is wanted; ipt_ip and ip6t_ip6 stand at their beginning. */
const layouts = {
  4: {
    domain: 2,
    level: 0,
    program: 'iptables-legacy',
    address: 4,
    interfaces: 16,
    protocol: 80,
    flags: 82,
    inverted: 83,
    target: 88,
    matches: 112,
    goto: 2,
  },
  6: {
    domain: 10,
    level: 41,
    program: 'ip6tables-legacy',
    address: 16,
    interfaces: 64,
    protocol: 128,
    flags: 131,
    inverted: 132,
    target: 140,
    matches: 168,
    goto: 4,
  },
} as const
type Layout = (typeof layouts)[Family]

const hooks = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const
const builtIn = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const
const priorities: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  nat: -100,
  filter: 0,
  security: 50,
}
const sourceNatPriority = 100

export interface Legacy {
  readonly bases: readonly BaseChain[]
  readonly chains: Readonly<Record<string, Chain>>
  /** Those that are there and were not given, by the program's name. */
  readonly refused: readonly string[]
}

/** `reading.left`: how many rules may still be read. */
export function readLegacy(reading: { left: number }): Legacy {
  const bases: BaseChain[] = []
  const chains: Record<string, Chain> = {}
  const refused: string[] = []
  for (const family of [4, 6] as const)
    for (const name of readLegacyTables(family)) {
      const table = `${layouts[family].program} ${name}`
      const found = reading.left > 0 ? fetchTable(layouts[family], name) : undefined
      if (!found) {
        refused.push(table)
        continue
      }
      bases.push(...basesOf(found, table, name, family))
      for (const chain of chainsOf(found, family)) {
        reading.left -= chain.rules.length
        chains[`${table} ${chain.name}`] = chain
      }
    }
  return { bases, chains, refused }
}

interface Table {
  readonly validHooks: number
  /** Offsets of the first rule of each hook. */
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  readonly entries: Buffer
}

/** Undefined where the kernel refuses, or the table changes all the time. */
function fetchTable({ domain, level }: Layout, name: string): Table | undefined {
  const fd: number = socket(domain, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) return undefined
  try {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const info = Buffer.alloc(84)
      info.write(name, 'latin1')
      if (getsockopt(fd, level, GET_INFO, info, [info.length]) < 0) return undefined
      const size = info.readUInt32LE(80)
      const bytes = Buffer.alloc(40 + size)
      bytes.write(name, 'latin1')
      bytes.writeUInt32LE(size, 32)
      // Between the two somebody may have changed it: then the size is another (EAGAIN).
      if (getsockopt(fd, level, GET_ENTRIES, bytes, [bytes.length]) < 0) continue
      const five = (from: number) => [0, 1, 2, 3, 4].map((at) => info.readUInt32LE(from + at * 4))
      return {
        validHooks: info.readUInt32LE(32),
        starts: five(36),
        ends: five(56),
        entries: bytes.subarray(40),
      }
    }
    return undefined
  } finally {
    close(fd)
  }
}

function basesOf(
  { validHooks, ends, entries }: Table,
  table: string,
  name: string,
  family: Family,
): BaseChain[] {
  return hooks.flatMap((hook, at) => {
    const policyAt = ends[at]
    if (!(validHooks & (1 << at)) || policyAt === undefined) return []
    const late = name === 'nat' && (hook === 'postrouting' || hook === 'input')
    const priority = late ? sourceNatPriority : (priorities[name] ?? 0)
    const target = policyAt + entries.readUInt16LE(policyAt + layouts[family].target)
    const policy = entries.readInt32LE(target + HEAD) === DROP ? 'drop' : 'accept'
    const type = name === 'nat' ? 'nat' : 'filter'
    const rest = { devices: [], name: builtIn[at] ?? '', type, hook, priority, policy } as const
    return [{ table, families: [family], ...rest }]
  })
}

interface Entry {
  readonly at: number
  readonly bytes: Buffer
  readonly target: string
  readonly info: Buffer
  readonly revision: number
}

/** Rules lie in a row, the last of a built-in chain is its policy; a target ERROR begins a chain of the user's with its name, and ends the table. */
function chainsOf(table: Table, family: Family): Chain[] {
  const layout = layouts[family]
  const entries = entriesOf(table.entries, layout)
  const names = new Map<number, string>()
  for (const [hook, name] of builtIn.entries())
    if (table.validHooks & (1 << hook)) names.set(table.starts[hook] ?? 0, name)
  for (const { at, bytes, target, info } of entries)
    if (target === 'ERROR') names.set(at + bytes.length, textOf(info))
  const policies = new Set(table.ends.filter((_, hook) => table.validHooks & (1 << hook)))
  const chains: { name: string; rules: Rule[] }[] = []
  for (const entry of entries) {
    const name = names.get(entry.at)
    if (name !== undefined && entry.target !== 'ERROR') chains.push({ name, rules: [] })
    const rules = chains.at(-1)?.rules
    if (!rules || entry.target === 'ERROR') continue
    if (!policies.has(entry.at))
      rules.push({ handle: rules.length + 1, steps: stepsOf(entry, family, names) })
  }
  return chains
}

function entriesOf(bytes: Buffer, { target, matches }: Layout): Entry[] {
  const found: Entry[] = []
  for (let at = 0; at + matches <= bytes.length; ) {
    const [targetAt, length] = [bytes.readUInt16LE(at + target), bytes.readUInt16LE(at + target + 2)]
    if (length < matches || targetAt + HEAD > length) break
    const entry = bytes.subarray(at, at + length)
    const name = textOf(entry.subarray(targetAt + 2, targetAt + 31))
    const info = entry.subarray(targetAt + HEAD)
    found.push({ at, bytes: entry, target: name, info, revision: entry.readUInt8(targetAt + 31) })
    at += length
  }
  return found
}

function stepsOf(entry: Entry, family: Family, names: ReadonlyMap<number, string>): readonly Step[] {
  const { bytes, at, target, info, revision } = entry
  const layout = layouts[family]
  const number = family === 4 ? 2 : 10
  const steps = [...ownSteps(bytes, layout)]
  for (let from: number = layout.matches; from < bytes.readUInt16LE(layout.target); ) {
    const size = bytes.readUInt16LE(from)
    if (size < HEAD) break
    const name = textOf(bytes.subarray(from + 2, from + 31))
    steps.push(
      ...stepsOfMatch(name, bytes.readUInt8(from + 31), bytes.subarray(from + HEAD, from + size), number),
    )
    from += size
  }
  if (target !== '') return [...steps, ...stepsOfTarget(target, revision, info, number)]
  const verdict = info.readInt32LE(0)
  const leads = verdict === at + bytes.length ? undefined : names.get(verdict)
  if (verdict >= 0 && leads === undefined) return []
  const isGoto = (bytes.readUInt8(layout.flags) & layout.goto) !== 0
  if (leads !== undefined)
    return [...steps, { kind: 'verdict', verdict: { kind: isGoto ? 'goto' : 'jump', chain: leads } }]
  const kind =
    verdict === DROP ? 'drop' : verdict === ACCEPT ? 'accept' : verdict === RETURN ? 'return' : 'queue'
  return [...steps, { kind: 'verdict', verdict: { kind } }]
}

const inversion = {
  inInterface: 1,
  outInterface: 2,
  source: 8,
  address: 16,
  fragment: 32,
  protocol: 64,
} as const

/** Addresses, interfaces and protocol stand in the rule itself. */
function ownSteps(bytes: Buffer, layout: Layout): Step[] {
  const { address: size, interfaces, protocol, flags, inverted } = layout
  const not = bytes.readUInt8(inverted)
  const steps: Step[] = []
  const ask = (field: FieldName, bits: number, low: Buffer, high: Buffer, flag: number, mask?: Buffer) =>
    steps.push({
      kind: 'test',
      asked: [{ field, bits, mask: mask ? mask.toString('hex') : null }],
      rows: [[[low.toString('hex'), high.toString('hex')]]],
      not: (not & flag) !== 0,
    })
  for (const [field, at] of [
    ['source', 0],
    ['address', size],
  ] as const) {
    const [value, mask] = [bytes.subarray(at, at + size), bytes.subarray(at + size * 2, at + size * 3)]
    const flag = inversion[field]
    if (mask.some((byte) => byte !== 0)) ask(field, size * 8, value, value, flag, mask)
  }
  for (const [field, at] of [
    ['inInterface', interfaces - 0],
    ['outInterface', interfaces + 16],
  ] as const) {
    const [name, mask] = [bytes.subarray(at, at + 16), bytes.subarray(at + 32, at + 48)]
    const high = Buffer.from(name.map((byte, index) => byte | (~(mask[index] ?? 0) & 0xff)))
    if (mask.some((byte) => byte !== 0)) ask(field, 128, name, high, inversion[field])
  }
  const wanted = bytes.readUInt16LE(protocol)
  if (wanted !== 0) {
    const number = Buffer.from([wanted & 0xff])
    ask('protocol', 8, number, number, inversion.protocol)
  }
  // Only for later fragments of IPv4: no first packet is one.
  const isFragment = size === 4 && (bytes.readUInt8(flags) & 1) !== 0 && (not & inversion.fragment) === 0
  return isFragment ? [{ kind: 'test', asked: [], rows: [], not: false }] : steps
}

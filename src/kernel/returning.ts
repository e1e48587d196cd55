/**
 * By which interface answers to each source would leave: what rp_filter and rules on `fib saddr` compare with the interface
 * that a packet came by. Routing rules are followed as for a packet without a mark. Source: rtnetlink(7),
 * fib_validate_source() in net/ipv4/fib_frontend.c, fib_rules_lookup() in net/core/fib_rules.c.
 */
import { readFileSync } from 'node:fs'
import type { Family } from '../model/address.ts'
import type { ReturnPath } from '../model/exposure/exposure.ts'
import { joined, meet, type Range, type Ranges, without } from '../model/exposure/ranges.ts'
import type { Span } from '../model/exposure/rules.ts'
import type { Netlink } from './netlink.ts'
import { attributes } from './nfnetlink.ts'
import { interfacesOf } from './routes.ts'
import { dumpRequest, interfaceName } from './rtnetlink.ts'

const [RTM_GETROUTE, RTM_GETRULE] = [26, 34]
const headerLength = 12
const families = { 4: 2, 6: 10 } as const
const bits = { 4: 32, 6: 128 } as const
const route = { destination: 1, priority: 6, table: 15 } as const
const rule = { mark: 10, suppressed: 14, table: 15, mask: 16 } as const
const [RTN_UNICAST, RTN_THROW] = [1, 9]
const RTM_F_CLONED = 0x200
const [FR_ACT_TO_TBL, FR_ACT_BLACKHOLE, FR_ACT_PROHIBIT] = [1, 6, 8]
const FIB_RULE_INVERT = 2
/** Priority, mark, suppression of groups and prefixes, table, mask, protocol: with anything else it is another rule. */
const readable: ReadonlySet<number> = new Set([6, 10, 13, 14, 15, 16, 21])

/** With more routes than this it is not told; a router of the whole internet has a million. */
const mostRoutes = 20_000

/** Of these interfaces, for both families. */
export function readReturnPaths(netlink: Netlink, names: readonly string[]): ReturnPath[] {
  return ([4, 6] as const).flatMap((family) => {
    const taken = takenOf(netlink, family)
    return names.map((name) => ({
      family,
      interface: name,
      filter: family === 4 ? filterOf(name) : ('none' as const),
      by: taken && spansOf(taken.filter((one) => leavesBy(one, name)).map(({ range }) => range)),
      any: taken && spansOf(taken.filter(({ by }) => by.length > 0).map(({ range }) => range)),
    }))
  })
}

/**
 * IPv6 asked for an interface goes back to shorter prefixes until one leaves by it (fib6_backtrack in net/ipv6/route.c); IPv4
 * knows the one route.
 */
function leavesBy({ by, shorter }: Taken, name: string): boolean {
  return by.includes(name) || shorter.includes(name)
}

/** The stricter of what holds for all and for this one. */
function filterOf(name: string): ReturnPath['filter'] {
  const [all, own] = ['all', name].map((one) => {
    try {
      return Number(readFileSync(`/proc/sys/net/ipv4/conf/${one}/rp_filter`, 'utf8'))
    } catch {
      return 0
    }
  }) as [number, number]
  return (['none', 'strict', 'loose'] as const)[Math.max(all, own)] ?? 'none'
}

const spansOf = (ranges: readonly Range[]): Span[] =>
  joined(ranges).map(({ first, last }) => [first.toString(16), last.toString(16)])

interface Route {
  readonly table: number
  readonly first: bigint
  readonly length: number
  readonly priority: number
  readonly type: number
  readonly by: readonly string[]
}

/** What a look-up of these sources finds: interfaces, or none where it is refused. */
interface Taken {
  readonly range: Range
  readonly by: readonly string[]
  /** Of IPv6: by which shorter prefixes of the same table leave. */
  readonly shorter: readonly string[]
}

/** Null where it cannot be told. */
function takenOf(netlink: Netlink, family: Family): Taken[] | null {
  const rules = rulesOf(netlink, family)
  const routes = routesOf(netlink, family)
  if (!rules || routes.length > mostRoutes) return null
  const tables = Map.groupBy(routes, ({ table }) => table)
  const taken: Taken[] = []
  let left: Ranges = [{ first: 0n, last: (1n << BigInt(bits[family])) - 1n }]
  for (const { table, suppressed } of rules) {
    if (table === null) break
    const useful = (tables.get(table) ?? []).filter(({ length }) => length > suppressed)
    const found = layered(useful, family).flatMap(({ range, route: { type, by }, under }) =>
      type === RTN_THROW
        ? []
        : meet(left, [range]).map((one) => ({
            range: one,
            by: type === RTN_UNICAST ? by : [],
            shorter: family === 6 ? under : [],
          })),
    )
    taken.push(...found)
    left = without(left, joined(found.map(({ range }) => range)))
  }
  return taken
}

interface Layer {
  readonly range: Range
  readonly route: Route
  /** By which interfaces the routes of shorter prefixes leave. */
  readonly under: readonly string[]
}

/** The longest prefix wins, and among equal ones the lowest priority: disjoint ranges in their order. */
function layered(routes: readonly Route[], family: Family): readonly Layer[] {
  const lastOf = ({ first, length }: Route) => first + (1n << BigInt(bits[family] - length)) - 1n
  const sorted = (family === 6 ? joinedByPrefix(routes) : routes).toSorted((a, b) =>
    a.first === b.first ? a.length - b.length || a.priority - b.priority : a.first < b.first ? -1 : 1,
  )
  const found: Layer[] = []
  const open: { readonly route: Route; readonly last: bigint }[] = []
  let at = 0n
  const until = (end: bigint, one: Route | undefined) => {
    if (one && at <= end)
      found.push({
        range: { first: at, last: end },
        route: one,
        under: open.flatMap(({ route: { by } }) => by),
      })
    if (at <= end) at = end + 1n
  }
  const close = (before: bigint) => {
    for (let top = open.at(-1); top && top.last < before; top = open.at(-1)) {
      until(top.last, top.route)
      open.pop()
    }
  }
  for (const one of sorted) {
    close(one.first)
    const top = open.at(-1)
    if (top && top.route.first === one.first && top.route.length === one.length) continue
    until(one.first - 1n, top?.route)
    open.push({ route: one, last: lastOf(one) })
  }
  close(1n << 129n)
  return found
}

/** Link-local networks have a route for each link, and any of them will do. */
function joinedByPrefix(routes: readonly Route[]): Route[] {
  const same = Map.groupBy(routes, ({ first, length, type }) => `${first} ${length} ${type}`)
  return [...same.values()].map((some) => ({ ...(some[0] as Route), by: some.flatMap(({ by }) => by) }))
}

function routesOf(netlink: Netlink, family: Family): Route[] {
  return netlink
    .request(dumpRequest(RTM_GETROUTE, headerLength, families[family]), 'reading routes')
    .flatMap(({ body }) => {
      const parts = attributes(body.subarray(headerLength))
      if (body.readUInt8(0) !== families[family] || body.readUInt32LE(8) & RTM_F_CLONED) return []
      const destination = parts.get(route.destination)?.toString('hex') ?? '0'
      return [
        {
          table: parts.get(route.table)?.readUInt32LE(0) ?? body.readUInt8(4),
          first: BigInt(`0x${destination}`),
          length: body.readUInt8(1),
          priority: parts.get(route.priority)?.readUInt32LE(0) ?? 0,
          type: body.readUInt8(7),
          by: interfacesOf(body).flatMap((index) => interfaceName(index) ?? []),
        },
      ]
    })
}

interface Rule {
  /** Null: what comes to it is refused. */
  readonly table: number | null
  /** Routes of so short a prefix do not count; -1: all do. */
  readonly suppressed: number
}

/** In their order; null when one of them asks for more than a mark, which no packet has as long as nobody sets one. */
function rulesOf(netlink: Netlink, family: Family): Rule[] | null {
  const rules: Rule[] = []
  for (const { body } of netlink.request(
    dumpRequest(RTM_GETRULE, headerLength, families[family]),
    'reading rules of routing',
  )) {
    const parts = attributes(body.subarray(headerLength))
    const number = (type: number) => parts.get(type)?.readUInt32LE(0)
    const [action, inverted] = [body.readUInt8(7), (body.readUInt32LE(8) & FIB_RULE_INVERT) !== 0]
    const mark = (number(rule.mark) ?? 0) & (number(rule.mask) ?? 0)
    if (parts.has(rule.mark) && (mark === 0) === inverted) continue
    const plain = [...parts.keys()].every((type) => readable.has(type)) && body.readUInt8(3) === 0
    const goes = action === FR_ACT_TO_TBL
    const refuses = action >= FR_ACT_BLACKHOLE && action <= FR_ACT_PROHIBIT
    if (!plain || (!goes && !refuses) || (inverted && !parts.has(rule.mark))) return null
    const suppressed = parts.get(rule.suppressed)?.readInt32LE(0) ?? -1
    rules.push({ table: refuses ? null : (number(rule.table) ?? body.readUInt8(4)), suppressed })
  }
  return rules
}

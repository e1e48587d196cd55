/**
 * What an answer makes of what was known. The last good answer stays when a server could not tell, when it says that the name is
 * gone, and when nothing of what it says may be used. Pure.
 */
import { type Address, type Family, readAddress, whyUnusableUnasked } from '../../model/address.ts'
import { readHostName } from '../../model/destination.ts'
import { mostEndpoints } from '../../model/endpoints.ts'
import type { Trouble } from '../../model/naming.ts'
import { shown } from '../../model/problem.ts'
import type { Answer, Reply, Service } from './asking.ts'

export type Known =
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[] }
  /** All of the lowest priority, in a stable order. */
  | { readonly kind: 'services'; readonly services: readonly Omit<Service, 'priority'>[] }

export interface NameState {
  /** The last good answer. */
  readonly known: Known | null
  /** Since when it is that, by the wall clock. */
  readonly since: number
  /** Of the last good answer, in seconds. */
  readonly ttl: number
  readonly server: string
  readonly trouble: (Trouble & { readonly since: number }) | null
  /** Questions without a good answer, one after the other. */
  readonly failures: number
  readonly left: readonly string[]
}

export const unasked: NameState = {
  known: null,
  since: 0,
  ttl: 0,
  server: '',
  trouble: null,
  failures: 0,
  left: [],
}

export interface Circumstances {
  /** By the wall clock. */
  readonly now: number
  /** The addresses of this machine. */
  readonly own: ReadonlySet<string>
}

export function judge(before: NameState, answer: Answer, circumstances: Circumstances): NameState {
  const former = withoutOwn(before.known, circumstances.own)
  const found =
    answer.kind === 'services'
      ? servicesOf(answer.services)
      : addressesOf(former, answer.four, answer.six, circumstances.own)
  const known = found.known ?? former
  const { trouble } = found
  const since = trouble?.kind === before.trouble?.kind ? before.trouble?.since : undefined
  return {
    known,
    since: sameKnown(known, before.known) ? before.since : circumstances.now,
    ttl: found.known ? found.ttl : before.ttl,
    server: found.server,
    trouble: trouble && { ...trouble, since: since ?? circumstances.now },
    failures: trouble ? before.failures + 1 : 0,
    left: found.left,
  }
}

export function sameKnown(one: Known | null, other: Known | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** An answer that was good until the gateway got the address itself is none any more. */
function withoutOwn(known: Known | null, own: ReadonlySet<string>): Known | null {
  if (known?.kind !== 'addresses' || !known.addresses.some(({ text }) => own.has(text))) return known
  const addresses = known.addresses.filter(({ text }) => !own.has(text))
  return addresses.length > 0 ? { ...known, addresses } : null
}

const addressesIn = (known: Known | null) => (known?.kind === 'addresses' ? known.addresses : [])

interface Found {
  /** Null: nothing good. */
  readonly known: Known | null
  readonly ttl: number
  readonly server: string
  readonly trouble: Trouble | null
  readonly left: readonly string[]
}

interface Side {
  readonly addresses: readonly Address[]
  readonly ttl: number
  readonly trouble: Trouble | null
  readonly left: readonly string[]
}

type Replies = Answer & { kind: 'addresses' }

function addressesOf(
  former: Known | null,
  four: Replies['four'],
  six: Replies['six'],
  own: ReadonlySet<string>,
): Found {
  const sides = [sideOf(4, four, own), sideOf(6, six, own)]
  const good = sides.filter(({ addresses }) => addresses.length > 0)
  const server = four.kind === 'records' ? four.server : six.server
  const left = sides.flatMap((side) => side.left)
  if (good.length === 0) return { known: null, ttl: 0, server, trouble: worstOf(sides), left }
  // That a name has no address of a family is a good answer where it has one of the other.
  const kept = sides.map(({ trouble }) => trouble && trouble.kind !== 'none' && trouble.kind !== 'gone')
  const addresses = sides.flatMap((side, at) =>
    kept[at] ? addressesIn(former).filter(({ family }) => family === (at === 0 ? 4 : 6)) : side.addresses,
  )
  const trouble = worstOf(sides.filter((_, at) => kept[at]))
  return {
    known: { kind: 'addresses', addresses },
    ttl: Math.min(...good.map(({ ttl }) => ttl)),
    server,
    trouble,
    left,
  }
}

function sideOf(family: Family, reply: Replies['four'], own: ReadonlySet<string>): Side {
  if (reply.kind === 'trouble') return { addresses: [], ttl: 0, trouble: reply.trouble, left: [] }
  const read = reply.records.map(({ address }) => ({ text: address, address: readAddress(address) }))
  const refused = read.flatMap(({ text, address }) => {
    const why = whyRefused(address, family, own)
    return why ? [`${shown(text)} is not used: ${why}`] : []
  })
  const usable = read.flatMap(({ address }) =>
    address && !whyRefused(address, family, own) ? [address] : [],
  )
  const sorted = [...new Map(usable.map((one) => [one.text, one])).values()].sort(byText)
  const more = sorted.length - mostEndpoints
  const left = [
    ...refused.slice(0, 3),
    ...(more > 0
      ? [`of its ${sorted.length} IPv${family} addresses the first ${mostEndpoints} are used`]
      : []),
  ]
  const [first] = refused
  const none: Trouble | null = first ? { kind: 'unusable', detail: first } : { kind: 'none', detail: '' }
  return {
    addresses: sorted.slice(0, mostEndpoints),
    ttl: Math.min(...reply.records.map(({ ttl }) => ttl)),
    trouble: sorted.length === 0 ? none : null,
    left: sorted.length === 0 ? [] : left,
  }
}

const byText = (one: Address, other: Address) => (one.text < other.text ? -1 : 1)

/** Whoever answers for a name must not lead strangers to services of the gateway that are not forwarded (DNS rebinding). */
function whyRefused(address: Address | undefined, family: Family, own: ReadonlySet<string>) {
  if (!address || address.family !== family) return 'it is not an address of a host'
  const why = whyUnusableUnasked(address)
  if (why || !own.has(address.text)) return why
  return 'it is an address of this gateway, and a service of the gateway itself is opened as self:PORT'
}

/** The first is the one that explains most. */
const order = ['unusable', 'circle', 'failed', 'gone', 'none'] as const satisfies readonly Trouble['kind'][]

function worstOf(sides: readonly { readonly trouble: Trouble | null }[]): Trouble | null {
  const troubles = sides.flatMap(({ trouble }) => trouble ?? [])
  return order.map((kind) => troubles.find((one) => one.kind === kind)).find((one) => one) ?? null
}

/** RFC 2782: of the lowest priority only; a single `.` says that the service is decidedly not there. */
function servicesOf(reply: Reply<Service>): Found {
  const { server } = reply
  const nothing = (trouble: Trouble): Found => ({ known: null, ttl: 0, server, trouble, left: [] })
  if (reply.kind === 'trouble') return nothing(reply.trouble)
  const { records } = reply
  if (records.length === 0) return nothing({ kind: 'none', detail: '' })
  if (records.every(({ name }) => name === '' || name === '.')) return nothing({ kind: 'gone', detail: '' })
  const first = Math.min(...records.map(({ priority }) => priority))
  const services = records
    .filter(({ priority }) => priority === first)
    .flatMap(({ name, port, weight }) => {
      const read = readHostName(name)
      return read !== undefined && port > 0 ? [{ name: read, port, weight }] : []
    })
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (services.length === 0)
    return nothing({ kind: 'unusable', detail: 'no service of it has a name and a port' })
  const more = services.length - mostEndpoints
  return {
    known: { kind: 'services', services: services.slice(0, mostEndpoints) },
    // Node does not tell the TTL of SRV records.
    ttl: 0,
    server,
    trouble: null,
    left: more > 0 ? [`of its ${services.length} services the first ${mostEndpoints} are used`] : [],
  }
}

/**
 * A server that caches answers TTL 0 out of its memory; asking it more often than once a second gains nobody anything
 * (Envoy's floor too).
 */
const shortest = 1000
/** Whoever has a TTL of a year in a zone by mistake and corrects it waits no longer than this. */
const longest = 3_600_000
/** After failures the pause doubles; a name that is missing may appear at any time, a silent server costs a place in the queue. */
const longestPause = { gone: 5000, none: 5000, failed: 30_000, circle: 30_000, unusable: 30_000 } as const

/** Milliseconds until the name is to be asked for again. */
export function restOf({ trouble, failures, ttl }: NameState): number {
  if (!trouble) return Math.min(Math.max(ttl * 1000, shortest), longest)
  return Math.min(shortest * 2 ** Math.min(failures - 1, 10), longestPause[trouble.kind])
}

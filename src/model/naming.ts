/** Names as targets: what one leads to now, and what is wrong with it. Values and words. */
import { withPort } from './address.ts'
import type { Located } from './endpoints.ts'

/**
 * Why the last question had no good answer. `gone`: the name does not exist, or its service says that it is not there;
 * `none`: it has no address; `failed`: the server could not tell, or did not answer; `circle`: its aliases lead back to
 * themselves; `unusable`: nothing of what it leads to may be a target.
 */
export interface Trouble {
  readonly kind: 'gone' | 'none' | 'failed' | 'circle' | 'unusable'
  /** For `failed` what the server said, for `circle` the aliases, for `unusable` the reason. */
  readonly detail: string
}

/** A name as the API shows it. Times are instants as text. */
export interface NameView {
  /** As a target names it: `app.example.org`, `srv:_http._tcp.example.org`. */
  readonly name: string
  /** Where it leads, `10.0.0.5`, for SRV `10.0.0.5:8080`. */
  readonly leads: readonly string[]
  /** Since when it leads there; null: never known. */
  readonly since: string | null
  /** Seconds for which the last answer counts; null where that is not told: of SRV records, and before the first answer. */
  readonly ttl: number | null
  /** When it is asked for next; null while it is being asked for. */
  readonly next: string | null
  /** Who answered last. */
  readonly server: string
  readonly trouble: (Trouble & { readonly since: string }) | null
  /** What of the answer is not used, and why. */
  readonly left: readonly string[]
}

/** What a name led to before and leads to now; either may be the same as the other, where only its trouble is new or over. */
export interface NameEvent {
  readonly view: NameView
  readonly before: readonly string[]
}

export function printLocated({ address, port }: Located): string {
  return port === undefined ? address.text : withPort(address, String(port))
}

const words = {
  gone: () => 'there is no such name',
  none: () => 'it has no address',
  failed: (detail: string) => `no answer (${detail})`,
  circle: (detail: string) => `its aliases lead in a circle (${detail})`,
  unusable: (detail: string) => detail,
} as const satisfies Record<Trouble['kind'], (detail: string) => string>

export function describeTrouble({ kind, detail }: Trouble): string {
  return words[kind](detail)
}

const mostShown = 8

/**
 * `app.example.org -> 10.0.0.5, 10.0.0.6 (ttl 30 s)`, or with its trouble: `app.example.org -> 10.0.0.5 as of …: no answer
 * (SERVFAIL from 10.0.0.53) since …`.
 */
export function describeName({ name, leads, since, ttl, trouble, left }: NameView): string {
  const more = leads.length - mostShown
  const shown = [...leads.slice(0, mostShown), ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
  const where = leads.length > 0 ? `${name} -> ${shown}` : `${name} leads nowhere yet`
  const rest = left.map((one) => `; ${one}`).join('')
  if (!trouble && since === null) return `${name}: not asked yet`
  if (!trouble) return `${where}${ttl === null ? '' : ` (ttl ${ttl} s)`}${rest}`
  const kept = leads.length > 0 ? `, kept as of ${since}` : ''
  return `${where}${kept}: ${describeTrouble(trouble)} since ${trouble.since}${rest}`
}

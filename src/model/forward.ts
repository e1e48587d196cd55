/** A forward: one opening in the gateway and the place its traffic goes. */
import { type Address, type Family, parseAddress, readAddress } from './address.ts'
import { whyUncheckable } from './check.ts'
import { type Destination, printDestination } from './destination.ts'
import { type ForwardDocument, forwardDocument, readDocument } from './document.ts'
import { mostMembers } from './endpoints.ts'
import { type Health, parseHealth, printHealth } from './health.ts'
import { type Limits, parseInstant, parseOpenPerSource, parseRate, printRate } from './limits.ts'
import { type Listen, listenFamily, parseListen, printListen } from './listen.ts'
import { Problem, shown } from './problem.ts'
import { parseSources, printSource, type Sources } from './sources.ts'
import { documentOfTarget, familiesTo, parseTarget, printTarget, type Target } from './target.ts'
import { parseName, parseNote } from './text.ts'
import { parseVia, printVia, type Via } from './via.ts'

/** `auto` keeps the client's address and masquerades only where replies would not come back here. */
export type SourceNat =
  | { readonly kind: 'auto' }
  | { readonly kind: 'preserve' | 'masquerade' }
  | { readonly kind: 'address'; readonly address: Address }

/** What happens to established connections that a change contradicts. `drain`: TCP ends by itself, UDP moves at once. */
export type OnChange = 'drain' | 'cut' | 'keep'

/**
 * Which of several targets a new connection goes to. `source`: the same one for all of one client address, as long as it
 * takes connections. `least-connections`, which the kernel cannot count, needs a proxy.
 */
export type Balance = 'random' | 'round-robin' | 'source' | 'least-connections'

/** When no target takes connections: `refuse` them at once (a reset, or ICMP port unreachable), or `keep` all in use. */
type OnAllDown = 'refuse' | 'keep'

export interface Forward {
  readonly name: string
  readonly listen: Listen
  /** Several of one family are a pool. `self` stands alone. IPv4 addresses come first. */
  readonly targets: readonly Target[]
  readonly balance: Balance
  readonly onAllDown: OnAllDown
  /** How dead targets are found, which then take no new connections; null: every target counts as alive. */
  readonly health: Health | null
  readonly sources: Sources
  readonly sourceNat: SourceNat
  readonly limits: Limits
  readonly onChange: OnChange
  /** The proxy of this machine that it goes through; null: the kernel translates. */
  readonly via: Via | null
  /** UTC instant, or null for ever. */
  readonly expires: string | null
  readonly note: string
  readonly enabled: boolean
}

/** Parses what was written: an object, or the short form `tcp/8443 -> 10.0.0.5:443`. Throws a Problem. */
export function parseForward(written: unknown, at = ''): Forward {
  const doc =
    typeof written === 'string' ? parseShort(written, at) : readDocument(forwardDocument, at, written)
  const field = (name: string) => (at === '' ? name : `${at}.${name}`)
  const listen = parseListen(field('listen'), doc.listen)
  const via = parseVia(field, doc, listen)
  const targets = parseTargets(field('to'), doc.to, listen, via)
  return {
    name: doc.name === undefined ? nameOf(listen) : parseName(field('name'), doc.name),
    listen,
    targets,
    balance: doc.balance ?? 'random',
    onAllDown: doc.on_all_down ?? 'refuse',
    health: parseHealthOf(field('health'), doc, { listen, targets }),
    sources: parseFrom(field('from'), doc.from),
    sourceNat: parseSourceNat(field('source_nat'), doc.source_nat ?? 'auto', { listen, targets, via }),
    limits: parseLimits(field('limits'), doc.limits),
    onChange: doc.on_change ?? 'drain',
    via,
    expires: doc.expires === undefined ? null : parseInstant(field('expires'), instantText(doc.expires)),
    note: parseNote(field('note'), doc.note ?? ''),
    enabled: doc.enabled ?? true,
  }
}

/** YAML turns an unquoted time into a date. */
function instantText(value: string | Date): string {
  if (typeof value === 'string') return value
  return Number.isNaN(value.getTime()) ? '' : value.toISOString()
}

function parseShort(text: string, at: string): ForwardDocument {
  const [listen = '', to = '', ...rest] = text.split('->')
  if (rest.length > 0 || listen.trim() === '' || to.trim() === '') {
    throw Problem.of('bad-value', {
      field: at || 'forward',
      value: shown(text),
      expected: 'a forward such as tcp/8443 -> 10.0.0.5:443',
    })
  }
  return { listen: listen.trim(), to: to.split(',').map((one) => one.trim()) }
}

function parseTargets(
  field: string,
  written: ForwardDocument['to'],
  listen: Listen,
  via: Via | null,
): readonly Target[] {
  const list = Array.isArray(written) ? written : [written]
  if (list.length === 0)
    throw Problem.of('bad-target', { field, value: '[]', why: 'a forward needs a target' })
  if (list.length > mostMembers) {
    const value = `${list.length} targets`
    throw Problem.of('bad-target', { field, value, why: `a forward has at most ${mostMembers}` })
  }
  const at = (index: number) => (list.length > 1 ? `${field}[${index}]` : field)
  const targets = list.map((one, index) => parseTarget(at(index), one, listen, via))
  const own = targets.findIndex(({ destination }) => destination.kind === 'self')
  if (own >= 0 && targets.length > 1) {
    const why = 'a service of this machine stands alone, as nothing is translated'
    throw Problem.of('bad-target', { field: at(own), value: 'self', why })
  }
  refuseSame(at, targets, listen)
  refusePingPool(field, targets, listen)
  return targets.sort((a, b) => rank(a) - rank(b))
}

function rank({ destination }: Target): number {
  return destination.kind === 'address' ? destination.address.family : 0
}

function refuseSame(at: (index: number) => string, targets: readonly Target[], listen: Listen): void {
  const seen = new Set<string>()
  for (const [index, target] of targets.entries()) {
    const text = printTarget(target, listen)
    if (seen.has(text)) throw Problem.of('same-target', { field: at(index), value: text })
    seen.add(text)
  }
}

function refusePingPool(field: string, targets: readonly Target[], listen: Listen): void {
  if (listen.kind !== 'ping' || targets.length < 2) return
  const value = targets.map((target) => printTarget(target, listen)).join(', ')
  throw Problem.of('bad-target', { field, value, why: 'ping goes to one host' })
}

/** What can be checked at all is known here for addresses; what names stand for is looked at again before it is asked. */
function parseHealthOf(
  field: string,
  { health: written, balance }: Pick<ForwardDocument, 'health' | 'balance'>,
  { listen, targets }: Pick<Forward, 'listen' | 'targets'>,
): Health | null {
  if (written === undefined) return null
  const health = parseHealth(field, written)
  const { kind } = health.check
  if (health.slowStart !== null && balance === 'source')
    throw Problem.of('slow-start', { field: `${field}.slow_start` })
  if (listen.kind === 'ping' && kind !== 'icmp' && health.port === null)
    throw Problem.of('health-port', { field, check: kind })
  for (const { destination } of targets) {
    const why = whyNeverChecked(destination)
    if (why) throw Problem.of('health-target', { field, value: printDestination(destination), why })
  }
  return health
}

function whyNeverChecked(destination: Destination): string | undefined {
  if (destination.kind === 'self') return 'it is this gateway itself'
  return destination.kind === 'address' ? whyUncheckable(destination.address, new Set()) : undefined
}

function parseFrom(field: string, from: string | readonly string[] | undefined): Sources {
  if (from === undefined || from === 'anywhere') return 'anywhere'
  return parseSources(field, typeof from === 'string' ? from.split(',') : from)
}

function parseSourceNat(
  field: string,
  text: string,
  forward: Pick<Forward, 'listen' | 'targets' | 'via'>,
): SourceNat {
  if (text === 'auto') return { kind: text }
  if (forward.via)
    throw Problem.of('bad-source-nat', { field, value: `${shown(text)} (a proxy connects by itself)` })
  if (forward.targets.some(({ destination }) => destination.kind === 'self'))
    throw Problem.of('bad-source-nat', { field, value: `${shown(text)} (nothing is translated for self)` })
  if (text === 'preserve' || text === 'masquerade') return { kind: text }
  if (!readAddress(text)) throw Problem.of('bad-source-nat', { field, value: shown(text) })
  const address = parseAddress(field, text)
  if (!familiesOf(forward).includes(address.family)) {
    throw Problem.of('bad-source-nat', { field, value: `${shown(text)} (no IPv${address.family} target)` })
  }
  return { kind: 'address', address }
}

function parseLimits(field: string, limits: ForwardDocument['limits']): Limits {
  const { new_per_source: rate, open_per_source: open } = limits ?? {}
  return {
    newPerSource: rate === undefined ? null : parseRate(`${field}.new_per_source`, rate),
    openPerSource: open === undefined ? null : parseOpenPerSource(`${field}.open_per_source`, open),
  }
}

/** The name of a forward that was given none: its opening, in the alphabet of names. */
function nameOf(listen: Listen): string {
  const text = printListen(listen).replace(/[^A-Za-z0-9.-]+/g, '-')
  return text.length <= 63 ? text : text.slice(0, 63)
}

/** The canonical document: parse(print(f)) equals f, and defaults are left out. */
export function printForward(forward: Forward): ForwardDocument {
  const { newPerSource, openPerSource } = forward.limits
  const targets = forward.targets.map((target) => documentOfTarget(target, forward.listen))
  const [only] = targets
  return {
    name: forward.name,
    listen: printListen(forward.listen),
    to: targets.length === 1 && only !== undefined ? only : targets,
    ...(forward.balance !== 'random' && { balance: forward.balance }),
    ...(forward.onAllDown !== 'refuse' && { on_all_down: forward.onAllDown }),
    ...(forward.health && { health: printHealth(forward.health) }),
    ...(forward.sources !== 'anywhere' && { from: forward.sources.map(printSource) }),
    ...(forward.sourceNat.kind !== 'auto' && { source_nat: printSourceNat(forward.sourceNat) }),
    ...((newPerSource || openPerSource) && {
      limits: {
        ...(newPerSource && { new_per_source: printRate(newPerSource) }),
        ...(openPerSource && { open_per_source: openPerSource }),
      },
    }),
    ...(forward.onChange !== 'drain' && { on_change: forward.onChange }),
    ...printVia(forward.via),
    ...(forward.expires && { expires: forward.expires }),
    ...(forward.note && { note: forward.note }),
    ...(!forward.enabled && { enabled: false }),
  }
}

function printSourceNat(sourceNat: SourceNat): string {
  return sourceNat.kind === 'address' ? sourceNat.address.text : sourceNat.kind
}

/** The families in which the forward takes packets: those of its targets, or all that it listens in where a proxy takes them. */
export function familiesOf({
  targets,
  listen,
  via,
}: Pick<Forward, 'targets' | 'listen' | 'via'>): readonly Family[] {
  const only = listenFamily(listen)
  if (via) return only === undefined ? [4, 6] : [only]
  const families = new Set(targets.flatMap((target) => familiesTo(target, listen)))
  return ([4, 6] as const).filter((family) => families.has(family))
}

/** Whether it opens a service of this machine. */
export function isOwn({ targets }: Pick<Forward, 'targets'>): boolean {
  return targets.some(({ destination }) => destination.kind === 'self')
}

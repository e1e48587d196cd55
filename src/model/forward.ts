/** A forward: one opening in the gateway and the place its traffic goes. */
import { type Address, type Family, parseAddress, readAddress } from './address.ts'
import { type ForwardDocument, forwardDocument, readDocument } from './document.ts'
import { type Limits, parseInstant, parseOpenPerSource, parseRate, printRate } from './limits.ts'
import { describeListen, type Listen, parseListen, printListen } from './listen.ts'
import { countPorts } from './ports.ts'
import { Problem, shown } from './problem.ts'
import { describeSources, parseSources, printSource, type Sources } from './sources.ts'
import { parseTarget, printTarget, type Target } from './target.ts'
import { parseName, parseNote } from './text.ts'

/** `auto` keeps the client's address and masquerades only where replies would not come back here. */
export type SourceNat =
  | { readonly kind: 'auto' }
  | { readonly kind: 'preserve' | 'masquerade' }
  | { readonly kind: 'address'; readonly address: Address }

/** What happens to established connections that a change contradicts. `drain`: TCP ends by itself, UDP moves at once. */
export type OnChange = 'drain' | 'cut' | 'keep'

export interface Forward {
  readonly name: string
  readonly listen: Listen
  /** One or two targets, IPv4 before IPv6, at most one of each family. */
  readonly targets: readonly Target[]
  readonly sources: Sources
  readonly sourceNat: SourceNat
  readonly limits: Limits
  readonly onChange: OnChange
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
  const targets = parseTargets(field('to'), doc.to, listen)
  return {
    name: doc.name === undefined ? nameOf(listen) : parseName(field('name'), doc.name),
    listen,
    targets,
    sources: parseFrom(field('from'), doc.from),
    sourceNat: parseSourceNat(field('source_nat'), doc.source_nat ?? 'auto', targets),
    limits: parseLimits(field('limits'), doc.limits),
    onChange: doc.on_change ?? 'drain',
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

function parseTargets(field: string, written: ForwardDocument['to'], listen: Listen): readonly Target[] {
  const list = Array.isArray(written) ? written : [written]
  if (list.length === 0)
    throw Problem.of('bad-target', { field, value: '[]', why: 'a forward needs a target' })
  const targets = list.map((one, index) =>
    parseTarget(list.length > 1 ? `${field}[${index}]` : field, targetText(one), listen),
  )
  for (const family of [4, 6] as const) {
    if (targets.filter(({ address }) => address.family === family).length > 1) {
      throw Problem.of('pool', { field, family })
    }
  }
  return targets.sort((a, b) => a.address.family - b.address.family)
}

function targetText(one: string | { host: string; port?: string | number | undefined }): string {
  if (typeof one === 'string') return one
  const host = readAddress(one.host)?.family === 6 ? `[${one.host}]` : one.host
  return one.port === undefined ? host : `${host}:${one.port}`
}

function parseFrom(field: string, from: string | readonly string[] | undefined): Sources {
  if (from === undefined || from === 'anywhere') return 'anywhere'
  return parseSources(field, typeof from === 'string' ? from.split(',') : from)
}

function parseSourceNat(field: string, text: string, targets: readonly Target[]): SourceNat {
  if (text === 'auto') return { kind: text }
  if (text === 'preserve' || text === 'masquerade') return { kind: text }
  if (!readAddress(text)) throw Problem.of('bad-source-nat', { field, value: shown(text) })
  const address = parseAddress(field, text)
  if (!targets.some((target) => target.address.family === address.family)) {
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
  const targets = forward.targets.map((target) => printTarget(target, forward.listen))
  return {
    name: forward.name,
    listen: printListen(forward.listen),
    to: targets.length === 1 ? (targets[0] as string) : targets,
    ...(forward.sources !== 'anywhere' && { from: forward.sources.map(printSource) }),
    ...(forward.sourceNat.kind !== 'auto' && { source_nat: printSourceNat(forward.sourceNat) }),
    ...((newPerSource || openPerSource) && {
      limits: {
        ...(newPerSource && { new_per_source: printRate(newPerSource) }),
        ...(openPerSource && { open_per_source: openPerSource }),
      },
    }),
    ...(forward.onChange !== 'drain' && { on_change: forward.onChange }),
    ...(forward.expires && { expires: forward.expires }),
    ...(forward.note && { note: forward.note }),
    ...(!forward.enabled && { enabled: false }),
  }
}

function printSourceNat(sourceNat: SourceNat): string {
  return sourceNat.kind === 'address' ? sourceNat.address.text : sourceNat.kind
}

/** The families in which the forward takes packets. */
export function familiesOf(forward: Pick<Forward, 'targets'>): readonly Family[] {
  return forward.targets.map(({ address }) => address.family)
}

/** The sentence of what is true: `tcp/8080 on any address -> 10.0.0.5:80, from anywhere, client address kept`. */
export function describeForward(forward: Forward): string {
  const targets = forward.targets.map((target) => printTarget(target, forward.listen))
  const { newPerSource, openPerSource } = forward.limits
  return [
    `${describeListen(forward.listen)} -> ${targets.join(' and ')}${describeMapping(forward)}`,
    describeSources(forward.sources),
    describeSourceNat(forward.sourceNat),
    ...(newPerSource ? [`at most ${printRate(newPerSource)} new connections per source`] : []),
    ...(openPerSource ? [`at most ${openPerSource} open connections per source`] : []),
    ...(forward.expires ? [`until ${forward.expires}`] : []),
    ...(forward.enabled ? [] : ['switched off']),
  ].join(', ')
}

function describeMapping({ listen, targets }: Forward): string {
  if (listen.kind === 'ping' || countPorts(listen.ports) === 1) return ''
  const words = new Set(targets.map(({ ports }) => mappingWords[ports.kind]))
  return ` (${[...words].join('; ')})`
}

const mappingWords = { same: 'same port', from: 'port by port', all: 'all to one port' } as const

function describeSourceNat(sourceNat: SourceNat): string {
  switch (sourceNat.kind) {
    case 'auto':
      return 'client address kept'
    case 'preserve':
      return 'client address always kept'
    case 'masquerade':
      return "client address replaced by the gateway's"
    case 'address':
      return `client address replaced by ${sourceNat.address.text}`
  }
}

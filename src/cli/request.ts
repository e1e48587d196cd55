/** From what was typed after `open` to the request. Values are checked by the server, once for all clients. */
import type { OpenRequest, TraceRequest, Trial } from '../api/shapes.ts'
import type { ForwardDocument } from '../model/document.ts'
import { parseDuration, parseInstant } from '../model/limits.ts'
import type { Options } from './command.ts'
import { anywhereAndMore, badGeneration, badWhen, missing, misused, unquotedArrow } from './problems.ts'

const example = 'drawbridge open tcp/8443 10.0.0.5:443'

export function openRequestOf(
  operands: readonly string[],
  options: Options,
  now: number,
): OpenRequest & { readonly forward: ForwardDocument } {
  const { note: _ofForward, ...withoutNote } = options
  return {
    forward: { ...openingOf(operands), ...wishesOf(options, now) },
    ...permissionsOf(options),
    // The note is the forward's, and so the history's.
    ...trialOf(withoutNote),
  }
}

export function traceRequestOf(name: string, { from = [], proto, port, size }: Options): TraceRequest {
  const [source = '', another] = from
  if (another !== undefined) throw misused('--from takes one address here', 'Send one probe after the other.')
  return {
    name,
    from: source,
    ...(proto && { protocol: proto }),
    ...(port !== undefined && { port: wholeNumber('--port', port) }),
    ...(size !== undefined && { size: wholeNumber('--size', size) }),
  }
}

function wholeNumber(flag: string, text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw misused(
    `${flag} takes a number, not ${text}`,
    `For example: drawbridge trace web --from 198.51.100.7 ${flag} 1500`,
  )
}

/** What the operator knows to be unusual, and means. */
export function permissionsOf({
  privileged,
  takeOver,
}: Options): Pick<OpenRequest, 'privileged' | 'take_over'> {
  return { ...(privileged && { privileged }), ...(takeOver && { take_over: takeOver }) }
}

/** What every change can be asked with. */
export function trialOf({ dryRun, confirm, based, note }: Options): Trial {
  return {
    ...(dryRun && { dry_run: dryRun }),
    ...(confirm !== undefined && { confirm: confirmSeconds(confirm) }),
    ...(based !== undefined && { based: generationOf(based) }),
    ...(note !== undefined && { note }),
  }
}

/** In whole seconds; 0 says that no confirmation is meant. */
function confirmSeconds(text: string): number {
  return text === '0' ? 0 : parseDuration('--confirm', text) / 1000
}

export function isGeneration(text: string): boolean {
  return /^\d{1,15}$/.test(text)
}

export function generationOf(text: string): number {
  if (!isGeneration(text)) throw badGeneration(text)
  return Number(text)
}

/** `tcp/8443 10.0.0.5:443 [fd00::5]:443`, or the short form as one word with perhaps more targets after it. */
function openingOf(operands: readonly string[]): Pick<ForwardDocument, 'listen' | 'to'> {
  const [first, ...others] = operands
  if (first === undefined) throw missing('open', 'LISTEN', example)
  const arrow = first.indexOf('->')
  const listen = (arrow < 0 ? first : first.slice(0, arrow)).trim()
  const short = arrow < 0 ? [] : first.slice(arrow + 2).split(',')
  const targets = [...short, ...others].map((one) => one.trim()).filter((one) => one !== '')
  if (listen === '') throw missing('open', 'LISTEN', example)
  if (targets.includes('-')) throw unquotedArrow(listen)
  const [only] = targets
  if (only === undefined) throw missing('open', 'TARGET', example)
  return { listen, to: targets.length === 1 ? only : targets }
}

function wishesOf(options: Options, now: number): Omit<ForwardDocument, 'listen' | 'to'> {
  const { name, balance, onAllDown, sourceNat, newPerSource, openPerSource, onChange, note, disabled } =
    options
  const { via, proxyProtocol, sni } = options
  const from = sourcesOf(options.from)
  return {
    ...(name !== undefined && { name }),
    ...(balance && { balance }),
    ...(onAllDown && { on_all_down: onAllDown }),
    ...(options.health !== undefined && { health: healthOf(options.health) }),
    ...(from && { from }),
    ...(sourceNat !== undefined && { source_nat: sourceNat }),
    ...((newPerSource !== undefined || openPerSource !== undefined) && {
      limits: { new_per_source: newPerSource, open_per_source: openPerSource },
    }),
    ...(onChange && { on_change: onChange }),
    ...(via && { via }),
    ...(proxyProtocol && { proxy_protocol: proxyProtocol }),
    ...(sni !== undefined && { sni }),
    ...(options.for !== undefined && { expires: afterNow(options.for, now) }),
    ...(note !== undefined && { note }),
    ...(disabled && { enabled: false }),
  }
}

/** `http,path=/healthz,fall=2`: the keys of a file, of which some are numbers there. */
function healthOf(text: string): ForwardDocument['health'] {
  const [check = '', ...pairs] = text.split(',')
  if (pairs.length === 0) return check
  const keys = pairs.map((pair) => {
    const [, key = pair, value = ''] = /^([^=]*)=(.*)$/.exec(pair) ?? []
    return [key, ['port', 'fall', 'rise'].includes(key) ? Number(value) : value]
  })
  return { check, ...Object.fromEntries(keys) } as ForwardDocument['health']
}

/** `anywhere` is what leaving it out means. An empty text stays one: `--from "$UNSET"` must not open to the world. */
function sourcesOf(given: readonly string[] | undefined): string[] | undefined {
  if (given === undefined) return undefined
  const sources = given.map((one) => one.trim())
  const named = sources.filter((one) => one !== 'anywhere')
  if (named.length === 0) return undefined
  if (named.length < sources.length) throw anywhereAndMore(named)
  return named
}

function afterNow(duration: string, now: number): string {
  return new Date(now + parseDuration('--for', duration)).toISOString()
}

/** A span back from now, a day, which begins in UTC as everything is printed, or an instant with its zone. */
export function whenOf(text: string, now: number): string {
  try {
    if (/^\d+[smhdw]$/.test(text)) return new Date(now - parseDuration('--since', text)).toISOString()
    return parseInstant('--since', /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
  } catch {
    throw badWhen(text)
  }
}

/** How it is found out whether the targets of a forward are alive: what is asked, how often, and when one is out. */
import { z } from 'zod'
import { bad, type Check, checkDocument, parseCheck, parseKind, printCheck } from './check.ts'
import { Problem } from './problem.ts'

export interface Health {
  readonly check: Check
  /** Where to ask; null: at the first port of the target. */
  readonly port: number | null
  /** Milliseconds. A target that dies is out within `every` times `fall`. */
  readonly every: number
  /** Milliseconds for a whole check, at most half of `every`. */
  readonly timeout: number
  /** So many failed checks in a row take a target out. */
  readonly fall: number
  /** So many good ones in a row bring it back. */
  readonly rise: number
  /** Milliseconds in which a target that is back gets its whole share of new connections, step by step; null: at once. */
  readonly slowStart: number | null
}

export const healthDocument = z.union([
  z.string(),
  z.strictObject({
    ...checkDocument,
    port: z.number().optional(),
    every: z.string().optional(),
    timeout: z.string().optional(),
    fall: z.number().optional(),
    rise: z.number().optional(),
    slow_start: z.string().optional(),
  }),
])

export type HealthDocument = z.infer<typeof healthDocument>
type Written = Exclude<HealthDocument, string>

const defaults = { every: 5000, timeout: 1000, fall: 3, rise: 2 } as const

/** Parses `tcp`, or an object such as `{ check: http, path: /healthz, every: 2s }`. Throws a Problem. */
export function parseHealth(field: string, written: HealthDocument): Health {
  const doc = typeof written === 'string' ? { check: parseKind(field, written) } : written
  const at = (name: keyof Written) => `${field}.${name}`
  const every = doc.every === undefined ? defaults.every : parseSpan(at('every'), doc.every, 100, 3_600_000)
  const timeout =
    doc.timeout === undefined
      ? Math.min(defaults.timeout, Math.floor(every / 2))
      : parseSpan(at('timeout'), doc.timeout, 50, 60_000)
  if (timeout > every / 2) {
    throw Problem.of('health-timeout', {
      field: at('timeout'),
      value: printSpan(timeout),
      every: printSpan(every),
    })
  }
  if (doc.check === 'icmp' && doc.port !== undefined) {
    throw Problem.of('health-key', {
      field: at('port'),
      check: doc.check,
      keys: 'every, timeout, fall, rise',
    })
  }
  return {
    check: parseCheck(field, doc),
    port: doc.port === undefined ? null : parseWhole(at('port'), doc.port, 65535),
    every,
    timeout,
    fall: parseWhole(at('fall'), doc.fall ?? defaults.fall, 100),
    rise: parseWhole(at('rise'), doc.rise ?? defaults.rise, 100),
    slowStart:
      doc.slow_start === undefined ? null : parseSpan(at('slow_start'), doc.slow_start, 1000, 3_600_000),
  }
}

function parseWhole(field: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw bad(field, value, `a whole number from 1 to ${most}`)
}

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

function parseSpan(field: string, text: string, least: number, most: number): number {
  const [, count, unit] = /^([1-9]\d{0,6})(ms|s|m|h)$/.exec(text.trim()) ?? []
  const span = Number(count) * (units[unit as keyof typeof units] ?? Number.NaN)
  if (span >= least && span <= most) return span
  throw bad(field, text, `a time from ${printSpan(least)} to ${printSpan(most)}, such as 500ms or 5s`)
}

/** Milliseconds in the largest unit that leaves no rest. */
export function printSpan(span: number): string {
  const unit = (['h', 'm', 's', 'ms'] as const).find((one) => span % units[one] === 0) ?? 'ms'
  return `${span / units[unit]}${unit}`
}

/** The canonical document: parse(print(h)) equals h, and defaults are left out. */
export function printHealth(health: Health): Written {
  const { check, port, every, timeout, fall, rise, slowStart } = health
  const usualTimeout = Math.min(defaults.timeout, Math.floor(every / 2))
  return {
    ...printCheck(check),
    ...(port !== null && { port }),
    ...(every !== defaults.every && { every: printSpan(every) }),
    ...(timeout !== usualTimeout && { timeout: printSpan(timeout) }),
    ...(fall !== defaults.fall && { fall }),
    ...(rise !== defaults.rise && { rise }),
    ...(slowStart !== null && { slow_start: printSpan(slowStart) }),
  }
}

/** `checked by http /healthz every 2s, out after 3 failures, back after 2 good ones` */
export function describeHealth({ check, port, every, fall, rise, slowStart }: Health): string {
  const path = 'path' in check ? ` ${check.path}` : ''
  const at = port === null ? '' : ` at port ${port}`
  const slowly = slowStart === null ? '' : `, its whole share within ${printSpan(slowStart)}`
  return `checked by ${check.kind}${path}${at} every ${printSpan(every)} (out after ${fall} failed, back after ${rise} good${slowly})`
}

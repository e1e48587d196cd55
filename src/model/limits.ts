/** What one source address may do at one forward, and for how long a forward lives. */
import { Problem, shown } from './problem.ts'

export interface Rate {
  readonly count: number
  readonly per: 'second' | 'minute' | 'hour'
}

export interface Limits {
  /** New connections per source address; a burst of the same size is let through at once. */
  readonly newPerSource: Rate | null
  /** Connections open at the same time per source address. */
  readonly openPerSource: number | null
}

const units = { s: 'second', m: 'minute', h: 'hour' } as const

/** Parses `30/s`, `100/m` or `1000/h`. */
export function parseRate(field: string, text: string): Rate {
  const match = /^([1-9]\d{0,6})\/(s|m|h|second|minute|hour)$/.exec(text.trim())
  if (!match) throw Problem.of('bad-limit', { field, value: shown(text), example: '30/s, 100/m or 1000/h' })
  return { count: Number(match[1]), per: units[match[2]?.[0] as keyof typeof units] }
}

export function printRate({ count, per }: Rate): string {
  return `${count}/${per[0]}`
}

export function parseOpenPerSource(field: string, value: unknown): number {
  const count = typeof value === 'string' && /^\d{1,7}$/.test(value) ? Number(value) : value
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= 1_000_000) return count
  throw Problem.of('bad-limit', { field, value: shown(value), example: '200 (from 1 to 1000000)' })
}

/** Parses an instant with its zone (RFC 3339) to the same instant in UTC, to the second. */
export function parseInstant(field: string, text: string): string {
  const shape = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/
  const at = shape.test(text) && hasDay(text) ? Date.parse(text) : Number.NaN
  if (!(at >= 0 && at < endOfTime)) throw Problem.of('bad-time', { field, value: shown(text) })
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** Four digits of year are all that the text has room for. */
const endOfTime = Date.parse('9999-12-31T00:00:00Z')

/** Date.parse would move 30 February into March. */
function hasDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number)
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
}

const seconds = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 } as const

/** Parses `90s`, `15m`, `2h`, `3d` or `1w` to milliseconds. */
export function parseDuration(field: string, text: string): number {
  const match = /^([1-9]\d{0,5})([smhdw])$/.exec(text.trim())
  if (!match) {
    throw Problem.of('bad-value', {
      field,
      value: shown(text),
      expected: 'a duration such as 90s, 15m, 2h or 3d',
    })
  }
  return Number(match[1]) * seconds[match[2] as keyof typeof seconds] * 1000
}

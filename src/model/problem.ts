/** A problem is an error a person can act on; its words stand in the catalogue. */
import type { Entry } from './catalogue/entry.ts'
import { catalogue } from './catalogue.ts'

export type ProblemCode = keyof typeof catalogue
type FactsOf<C extends ProblemCode> = Parameters<(typeof catalogue)[C]['says']>[0]

/** RFC 9457 problem details, the shape in which a problem crosses a process boundary. */
export interface ProblemDetails {
  readonly code: string
  readonly status: number
  readonly title: string
  readonly remedy: string
}

/** Thrown for anything a person can mend. The outer sentence never repeats the cause; `cause` carries it. */
export class Problem extends Error {
  readonly code: string
  readonly status: number
  readonly remedy: string

  private constructor(details: ProblemDetails, cause?: unknown) {
    super(details.title, cause === undefined ? undefined : { cause })
    this.name = 'Problem'
    this.code = details.code
    this.status = details.status
    this.remedy = details.remedy
  }

  static of<C extends ProblemCode>(code: C, facts: FactsOf<C>, cause?: unknown): Problem {
    const { status, says, remedy } = catalogue[code] as unknown as Entry<FactsOf<C>>
    return new Problem({ code, status, title: says(facts), remedy: remedy(facts) }, cause)
  }

  /** Rebuilds a problem that another process sent. */
  static from(details: ProblemDetails): Problem {
    return new Problem(details)
  }

  details(): ProblemDetails {
    return { code: this.code, status: this.status, title: this.message, remedy: this.remedy }
  }
}

const mostShown = 60

/** A foreign value as it may be shown: one line, quoted, escaped, at most 60 characters between the quotes. */
export function shown(value: unknown): string {
  const pieces = [...textOf(value).slice(0, mostShown + 1)].map(escaped)
  if (pieces.join('').length <= mostShown) return `"${pieces.join('')}"`
  while (pieces.join('').length > mostShown - 3) pieces.pop()
  return `"${pieces.join('')}..."`
}

/** The way to a value in a document: keys as they are where they are plain words, else as foreign values are shown. */
export function fieldAt(...path: readonly PropertyKey[]): string {
  const parts = path.map(String).filter((part) => part !== '')
  return parts.map((part) => (/^[\w.[\]-]{1,63}$/.test(part) ? part : shown(part))).join('.')
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return 'a value nested too deep to show'
  }
}

/** One character as JSON would write it, and escaped too when it is invisible or turns the reading direction. */
function escaped(char: string): string {
  const quoted = JSON.stringify(char).slice(1, -1)
  return quoted.replace(/[\p{C}\p{Zl}\p{Zp}]/u, (bad) =>
    bad
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** Who may connect: prefixes and the names of lists. */
import { type Prefix, parsePrefix, printPrefix, readAddress } from './address.ts'
import { Problem, shown } from './problem.ts'
import { isName } from './text.ts'

export type Source =
  | { readonly kind: 'prefix'; readonly prefix: Prefix }
  | { readonly kind: 'list'; readonly name: string }

/** `anywhere` is a value of its own: an empty list of sources admits nobody. */
export type Sources = 'anywhere' | readonly Source[]

/** A named list of prefixes. */
export interface List {
  readonly name: string
  readonly prefixes: readonly Prefix[]
}

function parseSource(field: string, text: string): Source {
  const trimmed = text.trim()
  if (isName(trimmed) && !readAddress(trimmed)) return { kind: 'list', name: trimmed }
  if (!/^[0-9a-f]*[:.]/i.test(trimmed)) {
    throw Problem.of('bad-prefix', { field, value: shown(text), why: 'it is none of the three' })
  }
  return { kind: 'prefix', prefix: parsePrefix(field, trimmed) }
}

export function printSource(source: Source): string {
  return source.kind === 'list' ? source.name : printPrefix(source.prefix)
}

export function parseSources(field: string, texts: readonly string[]): readonly Source[] {
  const seen = new Map<string, Source>()
  texts.forEach((text, index) => {
    const source = parseSource(texts.length > 1 ? `${field}[${index}]` : field, text)
    seen.set(printSource(source), source)
  })
  return [...seen.values()]
}

export function describeSources(sources: Sources): string {
  if (sources === 'anywhere') return 'from anywhere'
  if (sources.length === 0) return 'from nobody'
  return `only from ${sources.map(printSource).join(', ')}`
}

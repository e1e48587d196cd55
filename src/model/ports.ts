/** Ports as sorted, disjoint ranges. */
import { Problem, shown } from './problem.ts'

export interface PortRange {
  readonly first: number
  readonly last: number
}

/** Parses `80`, `80,443`, `8000-8100` and mixtures; order is kept out of the value, overlaps are refused. */
export function parsePorts(field: string, text: string): readonly PortRange[] {
  const bad = (why: string) => Problem.of('bad-ports', { field, value: shown(text), why })
  if (text.length > 1000) throw bad('it is too long')
  const ranges = text
    .split(',')
    .map((part) => parseRange(part, bad))
    .sort((a, b) => a.first - b.first)
  ranges.forEach((range, index) => {
    const before = ranges[index - 1]
    if (before && range.first <= before.last) throw bad(`port ${range.first} is named twice`)
  })
  return ranges
}

function parseRange(part: string, bad: (why: string) => Problem): PortRange {
  const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim())
  if (!match) throw bad(`${shown(part)} is neither a port nor a range`)
  const first = Number(match[1])
  const last = match[2] === undefined ? first : Number(match[2])
  for (const port of [first, last]) {
    if (port < 1 || port > 65535) throw bad(`${port} is out of range`)
  }
  if (last < first) throw bad(`the range is reversed; write ${last}-${first}`)
  return { first, last }
}

export function countPorts(ranges: readonly PortRange[]): number {
  return ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0)
}

export function* eachPort(ranges: readonly PortRange[]): Generator<number> {
  for (const { first, last } of ranges) for (let port = first; port <= last; port += 1) yield port
}

function printRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`
}

export function printPorts(ranges: readonly PortRange[]): string {
  return ranges.map(printRange).join(',')
}

/** Prints what was measured: ratios first, absolute numbers beside them. */
import type { Comparison } from './control-plane.ts'
import type { Connections } from './data-plane.ts'
import type { Row } from './rows.ts'
import { type Estimate, estimate, median, ratios } from './statistics.ts'

interface Metric {
  readonly title: string
  readonly show: (value: number) => string
}

const perSecond: Metric = { title: 'conn/s (more is better)', show: (n) => `${thousands(n)}/s` }
const microseconds = (title: string): Metric => ({ title, show: (n) => `${n.toFixed(1)} µs` })
const speed: Metric = { title: 'one TCP stream (more is better)', show: (n) => `${thousands(n)} Mbit/s` }

/** `cpu`: whether the processor time of a process says how much work the gateway was. */
export function reportConnections(measured: ReadonlyMap<Row, Connections>, cpu: boolean): string {
  const metrics = [
    { field: 'rate', metric: perSecond },
    { field: 'p50', metric: microseconds('p50 (less is better)') },
    { field: 'p99', metric: microseconds('p99 (less is better)') },
    { field: 'cpu', metric: microseconds('processor time (less is better)') },
  ] as const
  const columns = metrics
    .filter(({ field }) => cpu || field !== 'cpu')
    .map(({ field, metric }) => ({
      metric,
      values: new Map([...measured].map(([row, taken]) => [row, taken[field]])),
    }))
  const failed = [...measured].filter(([, taken]) => taken.failed > 0)
  const failures = failed.map(([row, taken]) => `! ${row.title}: ${taken.failed} connections failed\n`)
  return table([...measured.keys()], columns) + failures.join('')
}

export function reportBulk(measured: ReadonlyMap<Row, readonly number[]>): string {
  return table([...measured.keys()], [{ metric: speed, values: measured }])
}

interface Column {
  readonly metric: Metric
  readonly values: ReadonlyMap<Row, readonly number[]>
}

/** The first row is what the others are divided by, round by round. */
function table(rows: readonly Row[], columns: readonly Column[]): string {
  const header = ['', ...columns.map(({ metric }) => metric.title)]
  const lines = rows.map((row, index) => [
    row.title,
    ...columns.map(({ metric, values }) => {
      const own = values.get(row) ?? []
      const base = values.get(rows[0] ?? row) ?? []
      const absolute = `(${metric.show(median(own))})`
      return index === 0 ? `1 ${absolute}` : `${ratio(estimate(ratios(own, base)))} ${absolute}`
    }),
  ])
  return aligned([header, ...lines])
}

export function reportControlPlane(comparisons: readonly Comparison[]): string {
  const header = ['', 'ratio', 'Drawbridge', 'beside it']
  const lines = comparisons.map(({ title, beside, unit, ours, theirs }) => {
    const show = (values: readonly number[]) => `${figures(median(values))} ${unit}`
    return [title, ratio(estimate(ratios(ours, theirs))), show(ours), `${show(theirs)}  ${beside}`]
  })
  return aligned([header, ...lines])
}

function ratio({ median: middle, low, high }: Estimate): string {
  const digits = middle < 1.5 ? 3 : 2
  const [one, from, to] = [middle, low, high].map((value) => value.toFixed(digits))
  return from === to ? `${one}` : `${one} [${from}-${to}]`
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  const print = (line: readonly string[]) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0))
  return lines.map((line) => `${print(line).join('  ').trimEnd()}\n`).join('')
}

function figures(value: number): string {
  return value >= 100 ? thousands(value) : value.toFixed(1)
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en')
}

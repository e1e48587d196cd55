/** A table in fixed width: numbers to the right, and the columns that may be cut give way first. Pure. */

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  readonly align?: 'right'
  /** `first`: shortened when the line is too long. `last`: only when those cannot give more. Left out: never. */
  readonly cut?: 'first' | 'last'
  /** Wraps the padded cell in colour. */
  readonly paint?: (padded: string) => string
}

const gap = '  '
const narrowest = 6

/** Lines without trailing blanks, the heading first. */
export function layTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): readonly string[] {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)))
  const widths = squeeze(columns, naturalWidths(columns, cells), width)
  const heading = columns.map(({ title, align }, at) => pad(title, widths[at] ?? 0, align))
  const lines = cells.map((line) =>
    columns.map(({ align, paint }, at) => {
      const padded = pad(line[at] ?? '', widths[at] ?? 0, align)
      return paint ? paint(padded) : padded
    }),
  )
  return [heading, ...lines].map((line) => line.join(gap).trimEnd())
}

function naturalWidths<Row>(
  columns: readonly Column<Row>[],
  cells: readonly (readonly string[])[],
): readonly number[] {
  const widths = columns.map(({ title }) => title.length)
  for (const line of cells) {
    line.forEach((cell, at) => {
      if (cell.length > (widths[at] ?? 0)) widths[at] = cell.length
    })
  }
  return widths
}

/** The widest column that may be cut gives one place at a time, so that they end up alike. */
function squeeze<Row>(
  columns: readonly Column<Row>[],
  natural: readonly number[],
  width: number,
): readonly number[] {
  const widths = [...natural]
  let over = widths.reduce((sum, one) => sum + one, gap.length * (widths.length - 1)) - width
  for (const turn of ['first', 'last'] as const) {
    while (over > 0) {
      const candidates = widths.map((one, at) => (columns[at]?.cut === turn ? one : 0))
      const widest = Math.max(...candidates)
      if (widest <= narrowest) break
      widths[candidates.indexOf(widest)] = widest - 1
      over -= 1
    }
  }
  return widths
}

function pad(text: string, width: number, align: 'right' | undefined): string {
  if (text.length > width) return `${text.slice(0, width - 1)}…`
  return align === 'right' ? text.padStart(width) : text.padEnd(width)
}

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Column, layTable } from '../../src/cli/table.ts'

interface Row {
  readonly name: string
  readonly listen: string
  readonly target: string
  readonly conns: number
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name, cut: 'last' },
  { title: 'LISTEN', cell: ({ listen }) => listen, cut: 'first' },
  { title: 'TARGET', cell: ({ target }) => target, cut: 'first' },
  { title: 'CONNS', cell: ({ conns }) => String(conns), align: 'right' },
]

const row = (own: Partial<Row> = {}): Row => ({
  name: 'web',
  listen: 'tcp/80',
  target: '10.0.0.5:80',
  conns: 0,
  ...own,
})

test('columns are as wide as their widest cell, numbers stand to the right, nothing trails', () => {
  expect(layTable(columns, [row({ conns: 12345678 }), row({ name: 'games', conns: 7 })], 80)).toEqual([
    'NAME   LISTEN  TARGET          CONNS',
    'web    tcp/80  10.0.0.5:80  12345678',
    'games  tcp/80  10.0.0.5:80         7',
  ])
})

test('a long cell in the middle is cut, the name is not', () => {
  const name = 'n'.repeat(40)
  const [, line = ''] = layTable(columns, [row({ name, listen: `tcp/${'80,'.repeat(40)}443` })], 80)
  expect(line).toHaveLength(80)
  expect(line.startsWith(`${name}  tcp/80,80`)).toBe(true)
  expect(line).toMatch(/…\s+10\.0\.0\.5:80\s+0$/)
})

test('two long cells end up alike', () => {
  const [, line = ''] = layTable(columns, [row({ listen: 'l'.repeat(200), target: 't'.repeat(200) })], 80)
  const [, listen = '', target = ''] = line.split(/\s+/)
  expect(Math.abs(listen.length - target.length)).toBeLessThanOrEqual(1)
})

test('a name is cut only when nothing else can give', () => {
  const [, line = ''] = layTable(columns, [row({ name: 'n'.repeat(63), conns: 123456789 })], 80)
  expect(line).toHaveLength(80)
  expect(line).toContain('…')
  expect(line.endsWith('123456789')).toBe(true)
})

test('more room cuts less', () => {
  const rows = [row({ listen: 'l'.repeat(80) })]
  expect(layTable(columns, rows, 120).join('\n')).not.toContain('…')
  expect(layTable(columns, rows, 80).join('\n')).toContain('…')
})

test('colour goes around the cell and moves no column', () => {
  const painted = columns.map((column) =>
    column.title === 'TARGET' ? { ...column, paint: (cell: string) => `<${cell}>` } : column,
  )
  const [heading, line] = layTable(painted, [row({ target: 'x' })], 80)
  expect(heading).toBe('NAME  LISTEN  TARGET  CONNS')
  expect(line).toBe('web   tcp/80  <x     >      0')
})

test('no line is ever longer than the terminal', () => {
  const word = fc.string({ minLength: 1, maxLength: 100, unit: fc.constantFrom('a', 'b', '.', '/') })
  const anyRow = fc.record({
    name: fc.string({ minLength: 1, maxLength: 63, unit: fc.constantFrom('n', '-') }),
    listen: word,
    target: word,
    conns: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 5 }), fc.integer({ min: 80, max: 200 }), (rows, width) => {
      const lines = layTable(columns, rows, width)
      expect(lines).toHaveLength(rows.length + 1)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
    }),
  )
})

test('64,000 rows are laid out at once', () => {
  const rows = Array.from({ length: 64_000 }, (_, at) =>
    row({ name: `f${at}`, listen: `tcp/${at}`, conns: at }),
  )
  const started = performance.now()
  expect(layTable(columns, rows, 80)).toHaveLength(64_001)
  expect(performance.now() - started).toBeLessThan(2000)
})

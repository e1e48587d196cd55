/** How answers and problems leave the client: values on stdout, messages on stderr. */
import type { Changed, Plan } from '../api/shapes.ts'
import { Problem } from '../model/problem.ts'
import { done, exitCodeOf } from './exit.ts'
import { plain } from './text.ts'
import type { Terminal } from './world.ts'

export const formats = ['table', 'json', 'yaml'] as const
export type Format = (typeof formats)[number]

/** One answer: the value itself for programs, or lines for people. The lines are made only when they are wanted. */
export async function answer(
  terminal: Terminal,
  format: Format,
  value: unknown,
  lines: () => readonly string[] | Promise<readonly string[]>,
): Promise<void> {
  if (format !== 'table') return printValue(terminal, format, value)
  const made = await lines()
  if (made.length > 0) terminal.out(`${made.join('\n')}\n`)
}

/** Entries that come page by page, and leave so: one list for programs, a table for each page for people. */
export async function printPages<Entry>(
  { terminal, format }: { readonly terminal: Terminal; readonly format: Format },
  pages: AsyncIterable<{ readonly entries: readonly Entry[] }>,
  lines: (entries: readonly Entry[]) => readonly string[],
): Promise<void> {
  let separator = '[\n'
  for await (const { entries } of pages) {
    if (entries.length === 0) continue
    let read = true
    if (format === 'table') read = terminal.out(`${lines(entries).join('\n')}\n`)
    else if (format === 'yaml') read = terminal.out(await yamlOf(entries))
    else read = terminal.out(separator + entries.map((entry) => JSON.stringify(entry)).join(',\n'))
    separator = ',\n'
    if (!read) return
  }
  const empty = separator === '[\n'
  if (format === 'json') terminal.out(empty ? '[]\n' : '\n]\n')
  if (format === 'yaml' && empty) terminal.out('[]\n')
}

export async function printValue(
  terminal: Terminal,
  format: Exclude<Format, 'table'>,
  value: unknown,
): Promise<void> {
  terminal.out(format === 'json' ? `${JSON.stringify(value, null, 2)}\n` : await yamlOf(value))
}

/** Loaded only when asked for: it would cost every other command some milliseconds. */
async function yamlOf(value: unknown): Promise<string> {
  const { dump } = await import('js-yaml')
  return dump(value, { noRefs: true, lineWidth: -1 })
}

/** The answer to a change, or to what one would be. Gives the exit code: a plan that would be refused is no success. */
export async function answerChange(
  terminal: Terminal,
  format: Format,
  value: Changed | Plan,
  lines: () => readonly string[] | Promise<readonly string[]>,
): Promise<number> {
  const [plan, warnings] = 'plan' in value ? [value.plan, value.warnings] : [value, []]
  warn(terminal, [...plan.warnings, ...warnings])
  await answer(terminal, format, value, lines)
  const conflicts = plan.conflicts.map(Problem.from)
  for (const conflict of conflicts) sayProblem(terminal, conflict)
  return conflicts[0] ? exitCodeOf(conflicts[0]) : done
}

function warn(terminal: Terminal, warnings: readonly string[]): void {
  for (const warning of warnings) terminal.err(`warning: ${plain(warning)}\n`)
}

export function sayProblem(terminal: Terminal, { message, remedy }: Problem): void {
  terminal.err(`drawbridge: ${plain(message)}\n  ${plain(remedy)}\n`)
}

/** The problem for people, and for programs too where they asked for a value. */
export async function printProblem(terminal: Terminal, format: Format, problem: Problem): Promise<void> {
  sayProblem(terminal, problem)
  if (format !== 'table') await printValue(terminal, format, { problem: problem.details() })
}

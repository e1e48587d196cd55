/** How answers and problems leave the client: values on stdout, messages on stderr. */
import type { Problem } from '../model/problem.ts'
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

export function warn(terminal: Terminal, warnings: readonly string[]): void {
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

/** history, diff, rollback and confirm: what was, and the way back. */
import type { HistoryEntry } from '../../api/shapes.ts'
import type { Call, Spec } from '../command.ts'
import { done } from '../exit.ts'
import { changeLines, future, infinitive, past, pendingLines, subjectOf } from '../lines.ts'
import { auditOptions, rollbackOptions } from '../options.ts'
import { answer, warn } from '../output.ts'
import { badGeneration } from '../problems.ts'
import { confirmSeconds } from '../request.ts'
import { layTable } from '../table.ts'
import { plain } from '../text.ts'

export const pastCommands: readonly Spec[] = [
  {
    spelled: 'history',
    summary: 'List the changes: who, when, how and what',
    examples: ['drawbridge history', 'drawbridge history -o json'],
    act: history,
  },
  {
    spelled: 'audit',
    summary: 'Print every change with its hash, or verify that none was edited, removed or moved',
    options: auditOptions,
    examples: ['drawbridge audit --since 100 -o json', 'drawbridge audit --verify'],
    act: audit,
  },
  {
    spelled: 'diff <A> <B>',
    summary: 'Say what is different in generation B from what was in A',
    examples: ['drawbridge diff 6 7'],
    act: diff,
  },
  {
    spelled: 'rollback [N]',
    summary: 'Make everything what it was in generation N, or before the last change, as a new generation',
    options: rollbackOptions,
    examples: [
      'drawbridge rollback',
      'drawbridge rollback 7 --dry-run',
      'drawbridge rollback 7 --confirm 60s',
    ],
    act: rollback,
  },
  {
    spelled: 'confirm',
    summary: 'Keep the change that was made with --confirm',
    examples: ['drawbridge confirm'],
    act: confirm,
  },
]

async function history({ world, client, format }: Call): Promise<number> {
  const entries = await client.history(0, 50)
  await answer(world.terminal, format, entries, () =>
    entries.length === 0 ? ['No changes yet.'] : layTable(columns, entries, world.terminal.width),
  )
  return done
}

const columns = [
  { title: 'GEN', cell: ({ generation }: HistoryEntry) => String(generation), align: 'right' },
  { title: 'WHEN', cell: ({ at }: HistoryEntry) => at.slice(0, 19).replace('T', ' ') },
  { title: 'WHO', cell: ({ actor, how }: HistoryEntry) => (how === 'cli' ? actor : how), cut: 'last' },
  { title: 'WHAT', cell: whatWords, cut: 'first' },
] as const

function whatWords({ lines, more, note }: HistoryEntry): string {
  const words = lines.map((line) => `${past[line.verb]} ${subjectOf(line)}`)
  const rest = more > 0 ? [`${more} more`] : []
  return plain([...words, ...rest].join(', ') + (note === '' ? '' : ` (${note})`))
}

async function audit({ world, client, options, format }: Call): Promise<number> {
  if (options.verify) {
    const verdict = await client.verify()
    await answer(world.terminal, format, verdict, () => [`${verdict.entries} entries, unbroken`])
    return done
  }
  const entries = await client.history(options.since === undefined ? 0 : generationOf(options.since), 1000)
  await answer(world.terminal, format, entries, () => entries.map(auditLine))
  return done
}

function auditLine(entry: HistoryEntry): string {
  const { generation, at, actor, how, hash } = entry
  return `${generation} ${at} ${actor} ${how} ${hash.slice(0, 16)} ${whatWords(entry)}`
}

async function diff({ world, client, operands, format }: Call): Promise<number> {
  const [from, to] = operands.map(generationOf)
  const found = await client.difference(from ?? 0, to ?? 0)
  await answer(world.terminal, format, found, () =>
    found.lines.length === 0
      ? [`nothing differs between generation ${found.from} and ${found.to}`]
      : changeLines(found.lines, infinitive),
  )
  return done
}

async function rollback({ world, client, operands, options, format }: Call): Promise<number> {
  const [to] = operands.map(generationOf)
  const { dryRun, confirm } = options
  const changed = await client.rollback({ to, dry_run: dryRun, confirm: confirmSeconds(confirm) })
  warn(world.terminal, changed.warnings)
  await answer(world.terminal, format, changed, () =>
    changed.changed
      ? [...changeLines(changed.plan.lines, dryRun ? future : past), ...pendingLines(changed.pending)]
      : [`already so: nothing differs from generation ${to ?? changed.generation}`],
  )
  return done
}

async function confirm({ world, client, format }: Call): Promise<number> {
  const kept = await client.confirm()
  await answer(world.terminal, format, kept, () => [`kept: generation ${kept.generation}`])
  return done
}

function generationOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw badGeneration(text)
  return Number(text)
}

/** history, diff, rollback and confirm: what was, and the way back. */
import type { AuditEntry, Deed, HistoryEntry, Sides } from '../../api/shapes.ts'
import { auditPages, seenFile, verifyLog } from '../auditing.ts'
import type { Call, Spec } from '../command.ts'
import { done } from '../exit.ts'
import { changeLines, infinitive, outcomeLines, past, planLines, subjectOf } from '../lines.ts'
import { auditOptions, changeOptions } from '../options.ts'
import { answer, answerChange, printPages } from '../output.ts'
import { badCount } from '../problems.ts'
import { generationOf, isGeneration, trialOf, whenOf } from '../request.ts'
import { layTable } from '../table.ts'
import { counted, plain } from '../text.ts'

export const pastCommands: readonly Spec[] = [
  {
    spelled: 'history',
    summary: 'List the changes: who, when, how and what',
    examples: ['drawbridge history', 'drawbridge history -o json'],
    act: history,
  },
  {
    spelled: 'audit',
    summary:
      'Print who did what, from where, when and why; or verify that no entry was edited, removed or moved',
    options: auditOptions,
    examples: [
      'drawbridge audit --since 2h',
      'drawbridge audit --since 2026-11-01 --until 2026-12-01 -o json',
      'drawbridge audit --verify',
      'drawbridge audit --rotate 1000',
    ],
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
    options: changeOptions,
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
  const entries = await client.history(0, mostChanges)
  await answer(world.terminal, format, entries, () =>
    entries.length === 0
      ? ['No changes yet.']
      : [
          ...layTable(columns, entries, world.terminal.width),
          ...(entries.length < mostChanges ? [] : ['older ones: drawbridge audit']),
        ],
  )
  return done
}

const mostChanges = 50

const columns = [
  { title: 'GEN', cell: ({ generation }: HistoryEntry) => String(generation), align: 'right' },
  { title: 'WHEN (UTC)', cell: ({ at }: HistoryEntry) => timeWords(at) },
  { title: 'WHO', cell: ({ actor }: HistoryEntry) => plain(actor), cut: 'last' },
  { title: 'HOW', cell: howWords },
  { title: 'WHAT', cell: whatWords, cut: 'first' },
  { title: 'WHY', cell: ({ note }: HistoryEntry) => plain(note), cut: 'first' },
] as const

function timeWords(at: string): string {
  return at.slice(0, 19).replace('T', ' ')
}

/** On the command line, unless it says otherwise. */
function howWords({ how, command }: Deed): string {
  return plain(how === 'cli' && command !== '' ? command : how === 'api' ? `api ${command}` : how)
}

function whatWords({ lines, more }: HistoryEntry): string {
  const words = lines.map((line) => `${past[line.verb]} ${subjectOf(line)}`)
  return plain([...words, ...(more > 0 ? [`${more} more`] : [])].join(', '))
}

async function audit(call: Call): Promise<number> {
  const { options } = call
  if (options.verify) return verify(call)
  if (options.rotate !== undefined) return rotate(call, options.rotate)
  const { since, until } = options
  const now = call.world.now()
  const wanted = {
    ...(since !== undefined &&
      (isGeneration(since) ? { generation: Number(since) } : { since: whenOf(since, now) })),
    ...(until !== undefined && { until: whenOf(until, now) }),
  }
  const { terminal } = call.world
  await printPages({ terminal, format: call.format }, auditPages(call.client, wanted), (entries) =>
    layTable(auditColumns, entries, terminal.width),
  )
  return done
}

const auditColumns = [
  { title: 'ENTRY', cell: ({ entry }: AuditEntry) => String(entry), align: 'right' },
  { title: 'GEN', cell: ({ generation }: AuditEntry) => String(generation), align: 'right' },
  { title: 'WHEN (UTC)', cell: ({ at }: AuditEntry) => timeWords(at) },
  {
    title: 'WHO',
    cell: ({ actor, uid }: AuditEntry) => plain(uid === null ? actor : `${actor}(${uid})`),
    cut: 'last',
  },
  { title: 'FROM', cell: ({ address }: AuditEntry) => plain(address), cut: 'last' },
  { title: 'WHAT', cell: deedWords, cut: 'first' },
] as const

const mostNames = 20

/** `close: removed web (moved to another gateway)` */
function deedWords(entry: AuditEntry): string {
  const { forwards, lists, settings, note } = entry
  const names = [...verbs('', forwards), ...verbs('list ', lists)]
  const switched = JSON.stringify(settings.before) !== JSON.stringify(settings.after)
  const words = [
    ...(switched ? ['changed settings'] : []),
    ...names.slice(0, mostNames),
    ...(names.length > mostNames ? [`${names.length - mostNames} more`] : []),
  ].join(', ')
  return plain(`${howWords(entry)}${words && `: ${words}`}${note && ` (${note})`}`)
}

function verbs(what: string, sides: Readonly<Record<string, Sides<unknown>>>): readonly string[] {
  return Object.entries(sides).map(([name, { before, after }]) => {
    const verb = before === null ? 'add' : after === null ? 'remove' : 'change'
    return `${past[verb]} ${what}${name}`
  })
}

async function verify({ world, client, state, format }: Call): Promise<number> {
  const verdict = await verifyLog(auditPages(client, { after: 0, most: 10_000 }), state)
  await answer(world.terminal, format, verdict, () => [
    `${counted(verdict.entries, 'entry', 'entries')}, unbroken`,
    ...verdict.missing.map(
      ({ first, last }) => `not checked: entries ${first} to ${last}, as their archive is not here`,
    ),
    verdict.seen === null
      ? `not compared with what the agent has seen: ${seenFile(state)} is not there or not for you to read`
      : `up to entry ${verdict.seen} as the agent saw it grow`,
  ])
  return done
}

async function rotate({ world, client, format }: Call, keep: string): Promise<number> {
  if (!/^[1-9]\d{0,8}$/.test(keep)) throw badCount(keep)
  const log = await client.rotate(Number(keep))
  await answer(world.terminal, format, log, () => [
    `entries up to ${log.base.entry} lie in archives; the way back reaches to generation ${log.base.generation}`,
  ])
  return done
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
  const changed = await client.rollback({ to, ...trialOf(options) })
  return answerChange(world.terminal, format, changed, () => {
    const { plan, generation } = changed
    if (!changed.changed) return [`already so: nothing differs from generation ${to ?? generation}`]
    return options.dryRun ? planLines(plan) : [...changeLines(plan.lines, past), ...outcomeLines(changed)]
  })
}

async function confirm({ world, client, format }: Call): Promise<number> {
  const kept = await client.confirm()
  await answer(world.terminal, format, kept, () => [`kept: generation ${kept.generation}`])
  return done
}

/** One line for each entry of the log and each conflict on standard output: structured for a journal, in words for a person who watches. */
import { fstatSync } from 'node:fs'
import { describeName, type NameEvent } from './model/naming.ts'
import type { BeforeAfter, Recorded } from './store/store.ts'

/** A change of 64,000 forwards is told by its first names and how many there are. */
const mostNames = 20

/** journald splits longer lines, 48 KiB by default (journald.conf(5), LineMax=). */
const longestChange = 16_384

/** All of the entry, with what was before and after where that fits into a line; the log has it in any case. */
export function journalLine({ forwards, lists, settings, ...deed }: Recorded): string {
  const change = { forwards, lists, settings }
  const told = { ...deed, forwards: verbs(forwards), lists: verbs(lists) }
  const fits = JSON.stringify(change).length <= longestChange
  return `${visible(JSON.stringify({ drawbridge: fits ? { ...told, change } : told }))}\n`
}

/** Escaped as JSON would, also what JSON lets through and a terminal obeys: one line, whatever a program or user is called. */
export function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (bad) =>
    bad
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** `drawbridge: generation 7: added web, removed list office (open by root)` */
export function spokenLine({ generation, actor, how, command, forwards, lists, settings }: Recorded): string {
  const who = how === 'cli' || how === 'api' ? `${command} by ${actor}` : how
  if (how === 'health') return ''
  if (settings.after === null) return `drawbridge: ${who}\n`
  const [forwardVerbs, listVerbs] = [verbs(forwards), verbs(lists)]
  const told = [...forwardVerbs.first, ...listVerbs.first.map((words) => words.replace(' ', ' list '))]
  const rest = forwardVerbs.count + listVerbs.count - told.length
  const what = [...told, ...(rest > 0 ? [`${rest} more`] : [])].join(', ') || 'changed settings'
  return `drawbridge: generation ${generation} (${who}): ${what}\n`
}

/**
 * What a line of level notice begins with where systemd reads it (sd-daemon(3)); elsewhere nothing, so that the line is
 * JSON. systemd says which file it listens on (systemd.exec(5), JOURNAL_STREAM).
 */
export function priorityPrefix(env: NodeJS.ProcessEnv, output: number): string {
  const { dev, ino } = fstatSync(output)
  return env.JOURNAL_STREAM === `${dev}:${ino}` ? '<5>' : ''
}

/** A conflict that has appeared, or is over. */
export function conflictLine(sentence: string, there: boolean): string {
  return `${visible(JSON.stringify({ drawbridge: { conflict: sentence, over: !there } }))}\n`
}

export function spokenConflict(sentence: string, there: boolean): string {
  return `drawbridge: ${there ? 'conflict' : 'no conflict any more'}: ${visible(sentence)}\n`
}

export function journalName({ view, before }: NameEvent): string {
  return `${visible(JSON.stringify({ drawbridge: { name: view, before } }))}\n`
}

export function spokenName({ view, before }: NameEvent): string {
  const same = view.leads.join() === before.join()
  const former = same || before.length === 0 ? '' : `, before ${before.slice(0, mostNames).join(', ')}`
  return `drawbridge: ${visible(describeName(view) + former)}\n`
}

interface Verbs {
  readonly count: number
  readonly first: readonly string[]
}

function verbs(sides: Readonly<Record<string, BeforeAfter<unknown>>>): Verbs {
  const names = Object.keys(sides)
  return {
    count: names.length,
    first: names.slice(0, mostNames).map((name) => `${verbOf(sides[name])} ${name}`),
  }
}

function verbOf(side: BeforeAfter<unknown> | undefined): string {
  if (side?.before === null) return 'added'
  return side?.after === null ? 'removed' : 'changed'
}

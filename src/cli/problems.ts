/** The problems that only the command line has, as the catalogue of the model knows no flags. Each exits 2. */
import { Problem, shown } from '../model/problem.ts'
import { plain } from './text.ts'

/** Wrong usage; `title` may hold what was typed. */
export function misused(title: string, remedy: string): Problem {
  return Problem.from({ code: 'misused', status: 400, title: plain(title), remedy: plain(remedy) })
}

export function missing(command: string, what: string, example: string): Problem {
  return misused(`${command}: ${what} is missing`, `For example: ${example}`)
}

export function emptyState(where: string): Problem {
  return misused(`${where} is empty`, 'Give the directory that holds everything kept, or leave it out.')
}

export function emptyName(): Problem {
  return misused('NAME is empty', 'See what there is with: drawbridge list.')
}

/** An unquoted `->` never arrives: the shell reads `> 10.0.0.5:443` as a file to write. */
export function unquotedArrow(listen: string): Problem {
  return misused(
    'the short form is not quoted, so the shell took what follows ">" as a file',
    `Put it in quotes: drawbridge open '${listen} -> 10.0.0.5:443' (and remove that file).`,
  )
}

export function anywhereAndMore(rest: readonly string[]): Problem {
  return misused(
    `--from: anywhere and ${shown(rest.join(','))} contradict each other`,
    'Give only those who may connect, for example --from office,203.0.113.7.',
  )
}

export function badGeneration(text: string): Problem {
  return misused(
    `${shown(text)} is not the number of a generation`,
    'See which there are with: drawbridge history. For example: drawbridge diff 6 7.',
  )
}

export function badCount(text: string): Problem {
  return misused(
    `${shown(text)} is not a count of entries to keep`,
    'Keep at least one. For example: drawbridge audit --rotate 1000.',
  )
}

export function badWhen(text: string): Problem {
  return misused(
    `${shown(text)} is not a time`,
    'Write a span back from now (2h, 3d), a day (2026-11-24) or an instant (2026-11-24T12:00:00Z).',
  )
}

export function unreadableFile(path: string, why: string): Problem {
  return Problem.from({
    code: 'unreadable-file',
    status: 400,
    title: `the file ${shown(path)} cannot be read: ${why}`,
    remedy: 'Name a file in YAML or JSON with -f, or - for standard input.',
  })
}

/** `at` is the place as `line:column`, where it is known. */
export function badDocument(why: string, at?: string): Problem {
  return Problem.of('bad-document', { why: plain(at === undefined ? why : `${at}: ${why}`) })
}

export function unknownShell(shell: string, known: readonly string[]): Problem {
  return misused(`completion: ${shown(shell)} is not a shell it knows`, `Known: ${known.join(', ')}.`)
}

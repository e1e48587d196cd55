/** exposure: everything on the machine that the outside can reach. */
import type { ExposurePage } from '../../api/shapes.ts'
import type { Exposure } from '../../model/exposure/exposure.ts'
import type { Call, Spec } from '../command.ts'
import { done, undeclared } from '../exit.ts'
import { answer } from '../output.ts'
import { type Column, layTable } from '../table.ts'
import { counted, plain } from '../text.ts'

export const exposingCommands: readonly Spec[] = [
  {
    spelled: 'exposure [NAME...]',
    summary:
      'Show everything on this machine that the outside can reach, or these forwards and whether their targets answer; exit 3 when something is not declared',
    examples: ['drawbridge exposure', 'drawbridge exposure -o json', 'drawbridge exposure web mail'],
    act: exposure,
  },
]

async function exposure({ world, client, format, operands }: Call): Promise<number> {
  const { terminal } = world
  const page = await client.exposure(operands)
  await answer(terminal, format, page, () => [
    ...(page.exposures.length === 0
      ? ['nothing: no forward, and nothing listens for the outside']
      : layTable(columnsOf(terminal.colour), page.exposures, Number.POSITIVE_INFINITY)),
    ...endingOf(page),
  ])
  for (const warning of page.warnings) terminal.err(`warning: ${plain(warning)}\n`)
  return page.undeclared > 0 ? undeclared : done
}

function endingOf({ undeclared: count, unasked }: ExposurePage): readonly string[] {
  return [
    ...(unasked > 0
      ? [
          `of ${counted(unasked, 'forward', 'forwards')} it was not asked whether the target answers; name them to ask`,
        ]
      : []),
    ...(count > 0
      ? [`${counted(count, 'exposure is', 'exposures are')} open and not declared as a forward`]
      : []),
  ]
}

const yellow = (padded: string): string =>
  /^anywhere(, but not .*)?$/.test(padded.trimEnd()) ? `\u001b[33m${padded}\u001b[39m` : padded

function columnsOf(colour: boolean): readonly Column<Exposure>[] {
  return [
    { title: 'WHAT', cell: whatOf },
    { title: 'OPENING', cell: openingOf },
    { title: 'STATE', cell: stateOf },
    { title: 'FROM', cell: fromOf, ...(colour && { paint: yellow }) },
    { title: 'BEHIND', cell: ({ behind }) => plain(behind) },
    { title: 'RULE', cell: ({ rule }) => plain(rule) },
    { title: 'SINCE', cell: ({ since }) => since ?? '' },
  ]
}

function whatOf({ kind, name, declared }: Exposure): string {
  return declared ? `forward ${name}` : kind
}

function fromOf({ from, banned }: Exposure): string {
  return plain(banned === '' ? from : `${from}, but not ${banned}`)
}

/** `tcp/22`, `tcp/80@203.0.113.1`, with the family where it is one only. */
function openingOf({ protocols, ports, addresses, families }: Exposure): string {
  const what = `${protocols.join('+')}${ports === '' ? '' : `/${ports}`}`
  const where = addresses.length === 0 ? '' : `@${addresses.join(',')}`
  const [family] = families
  const only = where === '' && families.length === 1 ? ` (IPv${family})` : ''
  return `${what}${where}${only}`
}

/** `open`, and what is to be noticed of it. */
function stateOf({ state, answered, kind }: Exposure): string {
  const word = state === 'unread' ? 'open, as far as can be read' : state
  if (state === 'closed' || answered !== false) return word
  return `${word}, ${kind === 'forward' ? 'nobody answers' : 'nobody listens'}`
}

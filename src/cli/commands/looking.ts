/** list, show and the names for completion. */
import type { ForwardView } from '../../api/shapes.ts'
import { describeCondition } from '../../model/condition.ts'
import type { ForwardDocument } from '../../model/document.ts'
import type { EndpointView } from '../../model/endpoints.ts'
import type { Call, Spec } from '../command.ts'
import { done } from '../exit.ts'
import { banLines, nameLines } from '../lines.ts'
import { answer } from '../output.ts'
import { emptyName } from '../problems.ts'
import { type Column, layTable } from '../table.ts'
import { counted, plain, spanWords } from '../text.ts'

export const lookingCommands: readonly Spec[] = [
  {
    spelled: 'list',
    summary: 'List the forwards',
    examples: ['drawbridge list', 'drawbridge list -o json'],
    act: list,
  },
  {
    spelled: 'show <NAME>',
    summary: 'Show one forward, by name or by opening',
    examples: ['drawbridge show web', 'drawbridge show tcp/8080', 'drawbridge show web -o json'],
    act: show,
  },
  {
    spelled: 'names',
    summary: 'Print the names of the forwards, one a line, for completion',
    examples: ['drawbridge names'],
    hidden: true,
    act: names,
  },
]

async function list({ world, client, format }: Call): Promise<number> {
  const { terminal } = world
  const found = await client.forwards()
  await answer(terminal, format, found, () =>
    found.forwards.length === 0
      ? lesson
      : layTable(columnsOf(terminal.colour), found.forwards, terminal.width),
  )
  return done
}

const lesson = [
  'No forwards yet. For example:',
  '  drawbridge open tcp/8080 10.0.0.5:80                        open a port to a host behind this one',
  '  drawbridge open tcp/2222 10.0.0.7:22 --from 203.0.113.7     open it to one address only',
  '  drawbridge apply -f gateway.yaml                            open what a file says',
]

/** Open to everyone is the one thing to notice in a list. */
const yellow = (padded: string): string =>
  padded.trimEnd() === 'anywhere' ? `\u001b[33m${padded}\u001b[39m` : padded

function columnsOf(colour: boolean): readonly Column<ForwardView>[] {
  return [
    { title: 'NAME', cell: ({ name }) => name, cut: 'last' },
    { title: 'LISTEN', cell: ({ forward }) => forward.listen, cut: 'first' },
    { title: 'TARGET', cell: ({ forward }) => targetWords(forward), cut: 'first' },
    {
      title: 'FROM',
      cell: ({ forward }) => sourceWords(forward),
      cut: 'first',
      ...(colour && { paint: yellow }),
    },
    { title: 'CONNS', cell: ({ connections }) => String(connections), align: 'right' },
    { title: 'STATE', cell: stateWords },
  ]
}

function stateWords({ state, down, names }: ForwardView): string {
  const troubled = names.filter(({ trouble }) => trouble !== null).length
  return [
    state,
    ...(down === 0 ? [] : [`${down} down`]),
    ...(troubled === 0 ? [] : [`${counted(troubled, 'name')} in trouble`]),
  ].join(', ')
}

function targetWords({ to }: ForwardDocument): string {
  const targets = Array.isArray(to) ? to : [to]
  return targets.map((one) => (typeof one === 'string' ? one : partsWords(one))).join(',')
}

function partsWords({ host, port }: Exclude<ForwardDocument['to'], string | unknown[]>): string {
  if (port === undefined) return host
  return host.split(':').length > 2 ? `[${host}]:${port}` : `${host}:${port}`
}

function sourceWords({ from }: ForwardDocument): string {
  if (from === undefined) return 'anywhere'
  if (typeof from === 'string') return from
  return from.length === 0 ? 'nobody' : from.join(',')
}

async function show({ world, client, operands, format }: Call): Promise<number> {
  const [name = ''] = operands
  if (name === '') throw emptyName()
  const view = await client.forward(name)
  await answer(world.terminal, format, view, () => describe(view, world.now()))
  return done
}

function describe(view: ForwardView, now: number): readonly string[] {
  const { forward } = view
  const facts: readonly (readonly [string, string])[] = [
    ['name', view.name],
    ['sentence', view.sentence],
    ['listen', forward.listen],
    ['to', targetWords(forward)],
    ...(forward.balance === undefined ? [] : [['balance', forward.balance] as const]),
    ...(forward.on_all_down === undefined ? [] : [['on_all_down', forward.on_all_down] as const]),
    ['from', sourceWords(forward)],
    ['source_nat', forward.source_nat ?? 'auto'],
    ['limits', limitWords(forward)],
    ['on_change', forward.on_change ?? 'drain'],
    ['connections', String(view.connections)],
    ['refused', String(view.refused)],
    ['limited', String(view.limited)],
    ['expires', expiryWords(forward, now)],
    ...(forward.note === undefined ? [] : [['note', forward.note] as const]),
    ['state', view.state],
  ]
  return [
    ...facts.map(([key, value]) => `${key}: ${plain(value)}`),
    ...(view.endpoints ?? []).map((one) => plain(`endpoint: ${endpointWords(one)}`)),
    ...nameLines(view.names),
    ...(view.bans ? banLines(view.bans) : []),
  ]
}

/** `10.0.0.11:80 (app.example.org), weight 2, up, 17 connections` */
function endpointWords(view: EndpointView): string {
  const { by, at, weight, quarters, state, connections, open, checked } = view
  const named = at === by || at.startsWith(`${by}:`) || at.startsWith(`[${by}]:`) ? '' : ` (${by})`
  const warm = quarters < 4 ? `, ${quarters} of 4 quarters of its share` : ''
  const share = `${weight === 1 ? '' : `, weight ${weight}`}${warm}`
  const left = open === null ? '' : `, ${open} still open`
  const found = checked ? `; ${describeCondition(checked)}` : ''
  return `${at}${named}${share}, ${state}, ${counted(connections, 'connection')}${left}${found}`
}

function limitWords({ limits }: ForwardDocument): string {
  const { new_per_source: rate, open_per_source: open } = limits ?? {}
  const words = [
    ...(rate === undefined ? [] : [`${rate} new per source`]),
    ...(open === undefined ? [] : [`${open} open per source`]),
  ]
  return words.length === 0 ? 'none' : words.join(', ')
}

function expiryWords({ expires }: ForwardDocument, now: number): string {
  if (expires === undefined) return 'never'
  const left = new Date(expires).getTime() - now
  return `${expires} (${left > 0 ? `${spanWords(left)} left` : 'over'})`
}

/** Asks for the gateway, not the list: that one would wait for the counters of the kernel at every press of Tab. */
async function names({ world, client, format }: Call): Promise<number> {
  const { gateway } = await client.gateway()
  const found = (gateway.forwards ?? []).flatMap((one) => (hasName(one) ? one.name : []))
  await answer(world.terminal, format, found, () => found)
  return done
}

function hasName(one: unknown): one is { name: string } {
  return typeof one === 'object' && one !== null && 'name' in one && typeof one.name === 'string'
}

/** open, close, enable and disable: one forward at a time. */
import type { Changed, EnableRequest, PlanLine } from '../../api/shapes.ts'
import type { Call, Spec } from '../command.ts'
import { outcomeLines, pendingLines, planLines } from '../lines.ts'
import { changeOptions, enableOptions, lockdownOptions, openOptions } from '../options.ts'
import { answerChange } from '../output.ts'
import { emptyName } from '../problems.ts'
import { openRequestOf, permissionsOf, trialOf } from '../request.ts'
import { plain } from '../text.ts'

export const changingCommands: readonly Spec[] = [
  {
    spelled: 'open [LISTEN] [TARGET...]',
    summary:
      'Open a port of this gateway to a host behind it, to one of several, or to a service of its own (self)',
    options: openOptions,
    examples: [
      'drawbridge open tcp/8080 10.0.0.5:80',
      'drawbridge open tcp/8443 10.0.0.5:443 [fd00::5]:443 --name web --from 198.51.100.0/24',
      "drawbridge open 'tcp/2222 -> 10.0.0.7:22' --for 2h --note 'for the night shift'",
      'drawbridge open tcp/8080 10.0.0.11:80 10.0.0.12:80 --balance source',
      'drawbridge open tcp/8081 container:web:80',
      'drawbridge open tcp/5432 self --from 198.51.100.0/24',
      'drawbridge open udp/20000-20100 10.0.0.9:10000 --new-per-source 30/s --dry-run',
    ],
    act: open,
  },
  {
    spelled: 'close <NAME...>',
    summary: 'Close forwards, by name or by opening',
    examples: [
      'drawbridge close web',
      'drawbridge close tcp/8080 games --dry-run',
      'drawbridge close web --confirm 60s',
    ],
    options: changeOptions,
    act: (call) => changeNamed(call, 'closed', call.client.close),
  },
  {
    spelled: 'enable <NAME...>',
    summary: 'Switch forwards on again',
    examples: ['drawbridge enable web'],
    options: enableOptions,
    act: (call) => changeNamed(call, 'enabled', call.client.enable),
  },
  {
    spelled: 'disable <NAME...>',
    summary: 'Switch forwards off and keep them',
    examples: ['drawbridge disable web', 'drawbridge disable web games'],
    options: changeOptions,
    act: (call) => changeNamed(call, 'disabled', call.client.disable),
  },
  {
    spelled: 'lockdown',
    summary: 'Shut every forward at once and end its connections, until it is lifted',
    options: lockdownOptions,
    examples: ['drawbridge lockdown', 'drawbridge lockdown --lift'],
    act: lockdown,
  },
]

async function lockdown({ world, client, options, format }: Call): Promise<number> {
  const { lift = false, dryRun } = options
  const changed = await client.lockdown({ lift, ...trialOf(options) })
  const now = lift
    ? 'the forwards are open again'
    : 'no forward is open; lift it with: drawbridge lockdown --lift'
  return answerChange(world.terminal, format, changed, () => {
    if (dryRun) return planLines(changed.plan)
    return [`${changed.changed ? '' : 'already so: '}${now}`, ...pendingLines(changed.pending)]
  })
}

async function open({ world, client, operands, options, format }: Call): Promise<number> {
  const request = openRequestOf(operands, options, world.now())
  const changed = await client.open(request)
  return answerChange(world.terminal, format, changed, async () => {
    if (!changed.changed) return [await alreadySo(client, options.name ?? request.forward.listen)]
    if (options.dryRun) return planLines(changed.plan)
    return [...forwardLines(changed).map(({ sentence }) => plain(sentence)), ...outcomeLines(changed)]
  })
}

type Change = (wanted: EnableRequest) => Promise<Changed>

/** Several names are one change: a slip in the last one leaves everything as it was. */
async function changeNamed(
  { world, client, operands, options, format }: Call,
  past: string,
  change: Change,
): Promise<number> {
  const names = [...new Set(operands)]
  if (names.includes('')) throw emptyName()
  const changed = await change({ names, ...permissionsOf(options), ...trialOf(options) })
  return answerChange(world.terminal, format, changed, async () => {
    if (options.dryRun) return planLines(changed.plan)
    const lines = forwardLines(changed)
    const { more } = changed.plan
    const same = more === 0 && lines.length < names.length ? await untouched(client, names, lines) : []
    const told = lines.map(({ name, sentence }) => `${past} ${name}: ${plain(sentence)}`)
    return [...same, ...told, ...outcomeLines(changed)]
  })
}

/** The named forwards that are as they were; a name may be an opening. */
async function untouched(
  client: Call['client'],
  names: readonly string[],
  lines: readonly PlanLine[],
): Promise<readonly string[]> {
  const changed = new Set(lines.map(({ name }) => name))
  const views = await Promise.all(names.map((name) => client.forward(name).catch(() => undefined)))
  return views.flatMap((view) =>
    view && !changed.has(view.name) ? [`already so: ${plain(view.sentence)}`] : [],
  )
}

function forwardLines({ plan }: Changed): readonly PlanLine[] {
  return plan.lines.filter(({ what }) => what === 'forward')
}

async function alreadySo(client: Call['client'], name: string): Promise<string> {
  const { sentence } = await client.forward(name)
  return `already so: ${plain(sentence)}`
}

/** open, close, enable and disable: one forward at a time. */
import type { Wishes } from '../../api/client.ts'
import type { Changed, PlanLine } from '../../api/shapes.ts'
import type { Call, Spec } from '../command.ts'
import { done } from '../exit.ts'
import { pendingLines } from '../lines.ts'
import { lockdownOptions, openOptions, reasonOption } from '../options.ts'
import { answer, warn } from '../output.ts'
import { emptyName } from '../problems.ts'
import { openRequestOf } from '../request.ts'
import { plain } from '../text.ts'

export const changingCommands: readonly Spec[] = [
  {
    spelled: 'open [LISTEN] [TARGET...]',
    summary:
      'Open a port of this gateway to a host behind it; one IPv4 and one IPv6 target serve one family each',
    options: openOptions,
    examples: [
      'drawbridge open tcp/8080 10.0.0.5:80',
      'drawbridge open tcp/8443 10.0.0.5:443 [fd00::5]:443 --name web --from 198.51.100.0/24',
      "drawbridge open 'tcp/2222 -> 10.0.0.7:22' --for 2h --note 'for the night shift'",
      'drawbridge open udp/20000-20100 10.0.0.9:10000 --new-per-source 30/s --dry-run',
    ],
    act: open,
  },
  {
    spelled: 'close <NAME...>',
    summary: 'Close forwards, by name or by opening',
    options: [reasonOption],
    examples: [
      'drawbridge close web',
      'drawbridge close tcp/8080 games',
      "drawbridge close web --note 'moved to another gateway'",
    ],
    act: (call) => changeEach(call, 'closed', call.client.close),
  },
  {
    spelled: 'enable <NAME...>',
    summary: 'Switch forwards on again',
    options: [reasonOption],
    examples: ['drawbridge enable web'],
    act: (call) => changeEach(call, 'enabled', call.client.enable),
  },
  {
    spelled: 'disable <NAME...>',
    summary: 'Switch forwards off and keep them',
    options: [reasonOption],
    examples: ['drawbridge disable web', 'drawbridge disable web games'],
    act: (call) => changeEach(call, 'disabled', call.client.disable),
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
  const { lift = false, note } = options
  const changed = await client.lockdown(lift, note)
  const now = lift
    ? 'the forwards are open again'
    : 'no forward is open; lift it with: drawbridge lockdown --lift'
  await answer(world.terminal, format, changed, () => [`${changed.changed ? '' : 'already so: '}${now}`])
  return done
}

async function open({ world, client, operands, options, format }: Call): Promise<number> {
  const request = openRequestOf(operands, options, world.now())
  const changed = await client.open(request)
  warn(world.terminal, changed.warnings)
  await answer(world.terminal, format, changed, async () => {
    const lines = forwardLines(changed)
    if (!changed.changed) return [await alreadySo(client, options.name ?? request.forward.listen)]
    if (!options.dryRun)
      return [
        ...lines.map(({ sentence }) => plain(sentence)),
        ...changed.reached.map(plain),
        ...pendingLines(changed.pending),
      ]
    return lines.map(({ verb, name, sentence }) => `would ${verb} ${name}: ${plain(sentence)}`)
  })
  return done
}

type Change = (name: string, wishes?: Wishes) => Promise<Changed>

/** With several names, all are tried before the first is changed: a slip in the last one leaves everything as it was. */
async function changeEach(call: Call, past: string, change: Change): Promise<number> {
  const { terminal } = call.world
  const { note } = call.options
  const names = [...new Set(call.operands)]
  if (names.includes('')) throw emptyName()
  if (names.length > 1) for (const name of names) await change(name, { dry_run: true, note })
  const results: [string, Changed][] = []
  for (const name of names) {
    const changed = await change(name, { note })
    warn(terminal, changed.warnings)
    results.push([name, changed])
  }
  await answer(terminal, call.format, merged(results.map(([, changed]) => changed)), async () => {
    const lines: string[] = []
    for (const [name, changed] of results) {
      if (!changed.changed) lines.push(await alreadySo(call.client, name))
      lines.push(...forwardLines(changed).map((line) => `${past} ${line.name}: ${plain(line.sentence)}`))
      lines.push(...changed.reached.map(plain))
    }
    return lines
  })
  return done
}

/** One answer of one shape, however many names there were. */
function merged(all: readonly Changed[]): Changed {
  return {
    changed: all.some(({ changed }) => changed),
    generation: Math.max(...all.map(({ generation }) => generation)),
    plan: {
      based: Math.min(...all.map(({ plan }) => plan.based)),
      lines: all.flatMap(({ plan }) => plan.lines),
      more: all.reduce((sum, { plan }) => sum + plan.more, 0),
      nft: all.map(({ plan }) => plan.nft).join(''),
    },
    warnings: all.flatMap(({ warnings }) => warnings),
    reached: all.flatMap(({ reached }) => reached),
    pending: all.at(-1)?.pending ?? null,
  }
}

function forwardLines({ plan }: Changed): readonly PlanLine[] {
  return plan.lines.filter(({ what }) => what === 'forward')
}

async function alreadySo(client: Call['client'], name: string): Promise<string> {
  const { sentence } = await client.forward(name)
  return `already so: ${plain(sentence)}`
}

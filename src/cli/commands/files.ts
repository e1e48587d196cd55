/** export, plan and apply: the gateway as a file. */
import type { ApplyRequest, Plan } from '../../api/shapes.ts'
import type { Call, Spec } from '../command.ts'
import { done, wouldChange } from '../exit.ts'
import { readGatewayFile } from '../file.ts'
import { changeLines, future, past, pendingLines, type Tense } from '../lines.ts'
import { applyOptions, planOptions } from '../options.ts'
import { answer, printValue, warn } from '../output.ts'
import { confirmSeconds } from '../request.ts'
import { plain } from '../text.ts'

export const fileCommands: readonly Spec[] = [
  {
    spelled: 'export',
    summary: 'Print the gateway as a file that apply takes',
    examples: ['drawbridge export > gateway.yaml', 'drawbridge export -o json > gateway.json'],
    act: exportGateway,
  },
  {
    spelled: 'plan',
    summary: 'Say what apply would change; exit 3 when it would change something',
    options: planOptions,
    examples: ['drawbridge plan -f gateway.yaml', 'drawbridge plan -f gateway.yaml --prune --nft'],
    act: plan,
  },
  {
    spelled: 'apply',
    summary: 'Make the gateway what a file says, as one change',
    options: applyOptions,
    examples: [
      'drawbridge apply -f gateway.yaml',
      'drawbridge apply -f gateway.yaml --prune --dry-run',
      'drawbridge export | drawbridge --state /srv/other apply -f -',
    ],
    act: apply,
  },
]

/** A table of a gateway is its file, so YAML is what people get too. */
async function exportGateway({ world, client, format }: Call): Promise<number> {
  const { gateway } = await client.gateway()
  await printValue(world.terminal, format === 'json' ? 'json' : 'yaml', gateway)
  return done
}

async function plan(call: Call): Promise<number> {
  const { world, client, options, format } = call
  const found = await client.plan(await requestOf(call))
  await answer(world.terminal, format, found, () => [
    ...linesOf(found, future),
    ...(options.nft && found.nft !== '' ? ['', found.nft.trimEnd()] : []),
  ])
  return found.lines.length === 0 ? done : wouldChange
}

async function apply(call: Call): Promise<number> {
  const { world, client, options, format } = call
  const changed = await client.apply(await requestOf(call))
  warn(world.terminal, changed.warnings)
  await answer(world.terminal, format, changed, () => [
    ...linesOf(changed.plan, options.dryRun ? future : past),
    ...changed.reached.map(plain),
    ...pendingLines(changed.pending),
  ])
  return done
}

async function requestOf({ world, options }: Call): Promise<ApplyRequest> {
  const { file = '-', prune, privileged, takeOver, dryRun, confirm, note } = options
  return {
    gateway: await readGatewayFile(file, world.stdin),
    ...(prune && { prune }),
    ...(privileged && { privileged }),
    ...(takeOver && { take_over: takeOver }),
    ...(dryRun && { dry_run: dryRun }),
    ...(note !== undefined && { note }),
    ...(confirm !== undefined && { confirm: confirmSeconds(confirm) }),
  }
}

function linesOf({ lines, more, based }: Plan, tense: Tense): readonly string[] {
  if (lines.length === 0) return [`already so: nothing differs from generation ${based}`]
  return [...changeLines(lines, tense), ...(more > 0 ? [`and ${more} more`] : [])]
}

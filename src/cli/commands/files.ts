/** export, plan and apply: the gateway as a file. */
import type { ApplyRequest } from '../../api/shapes.ts'
import type { Call, Spec } from '../command.ts'
import { done, wouldChange } from '../exit.ts'
import { readGatewayFile } from '../file.ts'
import { changeLines, past, pendingLines, planLines, reachedLines } from '../lines.ts'
import { applyOptions, planOptions } from '../options.ts'
import { answerChange, printValue } from '../output.ts'
import { permissionsOf, trialOf } from '../request.ts'

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
    examples: [
      'drawbridge plan -f gateway.yaml',
      'drawbridge plan -f gateway.yaml --prune --nft',
      'drawbridge plan -f gateway.yaml -o json',
    ],
    act: plan,
  },
  {
    spelled: 'apply',
    summary: 'Make the gateway what a file says, as one change',
    options: applyOptions,
    examples: [
      'drawbridge apply -f gateway.yaml',
      'drawbridge apply -f gateway.yaml --prune --confirm 60s',
      'drawbridge apply -f gateway.yaml --based 41',
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
  const code = await answerChange(world.terminal, format, found, () => [
    ...planLines(found),
    ...(options.nft && found.nft !== '' ? ['', found.nft.trimEnd()] : []),
  ])
  return code === done && found.lines.length > 0 ? wouldChange : code
}

async function apply(call: Call): Promise<number> {
  const { world, client, options, format } = call
  const changed = await client.apply(await requestOf(call))
  return answerChange(world.terminal, format, changed, () => {
    const { plan: made, pending, reached } = changed
    if (options.dryRun || made.lines.length === 0) return planLines(made)
    const more = made.more > 0 ? [`and ${made.more} more`] : []
    return [...changeLines(made.lines, past), ...more, ...reachedLines(reached), ...pendingLines(pending)]
  })
}

async function requestOf({ world, options }: Call): Promise<ApplyRequest> {
  const { file = '-', prune } = options
  return {
    gateway: await readGatewayFile(file, world.stdin),
    ...(prune && { prune }),
    ...permissionsOf(options),
    ...trialOf(options),
  }
}

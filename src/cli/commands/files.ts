/** export, plan and apply: the gateway as a file. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Option } from 'commander'
import type { ApplyRequest } from '../../api/shapes.ts'
import { type LastGood, lastSeal, readLastGood } from '../../model/lastgood.ts'
import { Problem } from '../../model/problem.ts'
import type { Call, Spec } from '../command.ts'
import { done, wouldChange } from '../exit.ts'
import { readGatewayFile } from '../file.ts'
import { changeLines, outcomeLines, past, planLines } from '../lines.ts'
import { applyOptions, planOptions } from '../options.ts'
import { answerChange, printValue } from '../output.ts'
import { permissionsOf, trialOf } from '../request.ts'
import type { Terminal } from '../world.ts'

export const fileCommands: readonly Spec[] = [
  {
    spelled: 'export',
    summary: 'Print the gateway as a file that apply takes',
    options: [
      new Option('--last-good', 'what was last in force, read without anything that runs; needs root'),
    ],
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
async function exportGateway({ world, client, state, options, format }: Call): Promise<number> {
  const { gateway } = options.lastGood ? lastGood(state, world.terminal) : await client.gateway()
  await printValue(world.terminal, format === 'json' ? 'json' : 'yaml', gateway)
  return done
}

/** Read from the file of the agent, as it must be there when neither the store nor a process is. */
function lastGood(state: string, terminal: Terminal): LastGood {
  const path = join(state, 'agent', 'boot.nft')
  try {
    const text = readFileSync(path, 'utf8')
    const seal = lastSeal(text)
    if (!seal) throw new Error('it holds no whole state')
    const found = readLastGood(text, seal)
    if (createHash('sha256').update(seal.covered).digest('hex') !== seal.digest) warnDamaged(terminal)
    if (found.locked) terminal.err('warning: the lockdown was on: none of these forwards was open\n')
    return found
  } catch (error) {
    throw Problem.of('no-last-good', { path, why: (error as Error).message }, error)
  }
}

function warnDamaged(terminal: Terminal): void {
  terminal.err(
    'warning: the file is not what was written, the disk has damaged it: read this before it is applied\n',
  )
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
    const { plan: made } = changed
    if (options.dryRun || made.lines.length === 0) return planLines(made)
    return [...changeLines(made.lines, past), ...outcomeLines(changed)]
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

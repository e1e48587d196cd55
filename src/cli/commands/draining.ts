/** drain and undrain: targets that are to be taken out for a while, without anybody noticing. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Changed } from '../../api/shapes.ts'
import type { EndpointView } from '../../model/endpoints.ts'
import { parseDuration } from '../../model/limits.ts'
import { Problem } from '../../model/problem.ts'
import type { Call, Spec } from '../command.ts'
import { changeLines, outcomeLines, past, planLines } from '../lines.ts'
import { changeOptions, drainOptions } from '../options.ts'
import { answerChange } from '../output.ts'
import { emptyName } from '../problems.ts'
import { trialOf } from '../request.ts'
import { counted, plain } from '../text.ts'

export const drainingCommands: readonly Spec[] = [
  {
    spelled: 'drain <NAME> <TARGET...>',
    summary: 'Send no new connections to targets of a forward; those that they have go on',
    options: drainOptions,
    examples: [
      'drawbridge drain web 10.0.0.11',
      'drawbridge drain web 10.0.0.11:80 --wait 10m',
      'drawbridge drain web container:web-1',
    ],
    act: drain,
  },
  {
    spelled: 'undrain <NAME> <TARGET...>',
    summary: 'Send new connections to these targets again',
    options: changeOptions,
    examples: ['drawbridge undrain web 10.0.0.11'],
    act: undrain,
  },
]

const pause = 250

/** Scripts get one value, when all is over; people see at once what they wait for. */
async function drain(call: Call): Promise<number> {
  const { options, format, world } = call
  const patience = options.wait === undefined ? undefined : parseDuration('--wait', options.wait)
  const changed = await change(call, true)
  if (patience === undefined || options.dryRun) return tell(call, changed)
  if (format !== 'table') {
    await untilLeft(call, patience)
    return tell(call, changed)
  }
  const code = await tell(call, changed)
  await untilLeft(call, patience)
  world.terminal.out('drained: the last connection has ended\n')
  return code
}

async function undrain(call: Call): Promise<number> {
  return tell(call, await change(call, false))
}

function change({ client, operands, options }: Call, drains: boolean): Promise<Changed> {
  const [name = '', ...targets] = operands
  if (name === '') throw emptyName()
  return client.drain({ name, targets, drain: drains, ...trialOf(options) })
}

function tell(call: Call, changed: Changed): Promise<number> {
  const { world, options, format, operands } = call
  return answerChange(world.terminal, format, changed, async () => {
    if (options.dryRun) return planLines(changed.plan)
    const same = changed.changed ? [] : [`already so: ${operands.slice(1).map(plain).join(', ')}`]
    const left = await leaving(call)
    return [
      ...same,
      ...changeLines(changed.plan.lines, past),
      ...left.map(({ at, open }) => `${plain(at)}: ${counted(open ?? 0, 'connection')} still open`),
      ...outcomeLines(changed),
    ]
  })
}

async function untilLeft(call: Call, patience: number): Promise<void> {
  const { world, options } = call
  for (const end = world.now() + patience; ; ) {
    const left = (await leaving(call)).filter(({ open }) => open !== 0)
    if (left.length === 0) return
    if (world.now() >= end) {
      const count = left.reduce((sum, { open }) => sum + (open ?? 0), 0)
      const what = left.map(({ at }) => at).join(', ')
      throw Problem.of('still-draining', { count, what, within: options.wait ?? '' })
    }
    await sleep(Math.min(pause, Math.max(0, end - world.now())))
  }
}

/** What drains of the targets that were named; a name may stand for several endpoints. */
async function leaving({ client, operands }: Call): Promise<readonly EndpointView[]> {
  const [name = '', ...targets] = operands
  const { endpoints = [] } = await client.forward(name)
  return endpoints.filter(
    ({ state, by, at }) =>
      state === 'draining' &&
      targets.some((one) => one === by || one === at || (!at.includes(by) && one.startsWith(`${by}:`))),
  )
}

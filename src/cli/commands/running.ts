/** up, down and status: the life of the two processes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Option } from 'commander'
import type { Client } from '../../api/client.ts'
import type { Status } from '../../api/shapes.ts'
import { describeChecked } from '../../model/condition.ts'
import { describeNeighbour } from '../../model/foreign.ts'
import { parseDuration } from '../../model/limits.ts'
import { Problem } from '../../model/problem.ts'
import type { Call, Spec } from '../command.ts'
import { done, failed } from '../exit.ts'
import { banLines, nameLines, pendingLines } from '../lines.ts'
import { answer, sayProblem } from '../output.ts'
import { counted, plain } from '../text.ts'

export const runningCommands: readonly Spec[] = [
  {
    spelled: 'up',
    summary: 'Run Drawbridge in the foreground; the forwards stay in the kernel when it ends',
    options: [
      new Option('--crowdsec-key <FILE>', "be a bouncer of CrowdSec's local API, with the key in this file"),
      new Option('--crowdsec-url <URL>', 'where that API is (http://127.0.0.1:8080/)'),
    ],
    examples: [
      'sudo drawbridge up',
      'sudo drawbridge up --state /srv/drawbridge',
      'sudo drawbridge up --crowdsec-key /etc/drawbridge/crowdsec.key',
    ],
    act: ({ world, state, options }) => world.up({ state, controller: crowdsecWords(options) }),
  },
  {
    spelled: 'down',
    summary: 'Stop Drawbridge; the forwards stay in the kernel unless --all is given',
    options: [new Option('--all', 'also remove every trace of Drawbridge from the kernel')],
    examples: ['drawbridge down', 'sudo drawbridge down --all'],
    act: down,
  },
  {
    spelled: 'status',
    summary: 'Say whether the kernel holds what is wanted; exit 0 when it does',
    options: [new Option('--wait <DURATION>', 'wait so long for it to be ready, such as 10s')],
    examples: ['drawbridge status', 'drawbridge status --wait 10s', 'drawbridge status -o json'],
    act: status,
  },
  {
    spelled: 'accept',
    summary: 'Have the kernel take a store older than what it holds, as after a store was lost',
    examples: ['drawbridge accept'],
    act: accept,
  },
]

async function down({ world, client, state, options, format }: Call): Promise<number> {
  const cleared = await client
    .down(options.all ?? false)
    .then((answered) => answered.cleared)
    .catch(async (problem: Problem) => {
      if (!options.all || problem.code !== 'controller-away') throw problem
      await world.clearKernel({ state })
      return true
    })
  await untilAway(client)
  await answer(world.terminal, format, { cleared }, () => [
    cleared
      ? 'stopped; nothing of Drawbridge is in the kernel any more, and its state is kept'
      : 'stopped; the forwards stay in the kernel',
  ])
  return done
}

async function accept({ world, client, format }: Call): Promise<number> {
  const accepted = await client.accept()
  await answer(world.terminal, format, accepted, () => [
    `in force: generation ${accepted.generation} of this store`,
  ])
  return done
}

const stopPatience = 10_000
const pause = 50

/** The answer comes before the end; a script may start the next Drawbridge as soon as we return. */
async function untilAway(client: Client): Promise<void> {
  for (let waited = 0; waited < stopPatience; waited += pause) {
    const answers = await client.status(0).then(
      () => true,
      (problem: Problem) => problem.code !== 'controller-away',
    )
    if (!answers) return
    await sleep(pause)
  }
}

async function status(call: Call): Promise<number> {
  const { world, client, options, format } = call
  const patience = options.wait === undefined ? 0 : parseDuration('--wait', options.wait)
  const now = await readyWithin(client, patience, world.now)
  const problem = problemOf(now)
  const sentence = `ready: generation ${now.generation}, ${counted(now.forwards, 'forward')}, kernel in step`
  await answer(world.terminal, format, now, () =>
    problem
      ? []
      : [
          sentence,
          ...(now.locked ? ['locked down: no forward is open until drawbridge lockdown --lift'] : []),
          ...repairLines(now),
          ...now.neighbours.filter(({ active }) => active).map((one) => plain(describeNeighbour(one))),
          ...healthLines(now),
          ...banLines(now.bans),
          ...troubledNames(now),
          ...now.conflicts.map((conflict) => `conflict: ${plain(conflict)}`),
          ...pendingLines(now.pending),
        ],
  )
  const told = problem ?? (now.problem && Problem.from(now.problem))
  if (told) sayProblem(world.terminal, told)
  return problem ? failed : done
}

function crowdsecWords({ crowdsecKey, crowdsecUrl }: Call['options']): string[] {
  return [
    ...(crowdsecKey !== undefined ? ['--crowdsec-key', crowdsecKey] : []),
    ...(crowdsecUrl !== undefined ? ['--crowdsec-url', crowdsecUrl] : []),
  ]
}

function troubledNames({ names: { troubled, more } }: Status): string[] {
  return [
    ...nameLines(troubled).map((line) => `name: ${line}`),
    ...(more > 0 ? [`and ${counted(more, 'more name')} in trouble`] : []),
  ]
}

function repairLines({ repairs }: Status): string[] {
  if (!repairs?.last) return []
  const { at, by, pid } = repairs.last
  return [
    `${counted(repairs.count, 'repair')}, the last at ${at} after ${plain(by)} (process ${pid}) changed the table`,
  ]
}

/** What is not as it should be, and that all is where something is checked. */
function healthLines({ health }: Status): string[] {
  const { checked, down, worst, waiting } = health
  if (checked === 0) return []
  const more = down - worst.filter(({ state }) => state === 'down').length
  return [
    `targets: ${checked} checked, ${down === 0 ? 'none' : down} down`,
    ...worst.map((one) => plain(`  ${one.forward}: ${describeChecked(one)}`)),
    ...(more > 0 ? [`  and ${more} more that are down`] : []),
    ...(waiting > 0 ? [`  ${counted(waiting, 'check')} late: more are wanted than can be made at once`] : []),
  ]
}

/** The status when it is ready, or the last one before the time is up. A controller that is yet to start is waited for. */
async function readyWithin(client: Client, patience: number, now: () => number): Promise<Status> {
  const end = now() + patience
  for (;;) {
    const left = Math.max(0, end - now())
    try {
      const status = await client.status(Math.ceil(left / 1000))
      if (status.ready || now() >= end) return status
    } catch (problem) {
      if (!(problem instanceof Problem && problem.code === 'controller-away') || now() >= end) throw problem
    }
    await sleep(Math.min(pause, Math.max(0, end - now())))
  }
}

function problemOf({ ready, problem, agent, generation, kernel }: Status): Problem | undefined {
  if (ready) return undefined
  if (problem) return Problem.from(problem)
  if (agent === 'away') return Problem.of('agent-away', {})
  const why = kernel === null ? 'what it holds is not known yet' : 'it is being written'
  return Problem.of('not-in-step', { wanted: generation, have: kernel ?? 0, why })
}

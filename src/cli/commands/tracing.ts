/** trace: the way of one packet through this machine, and what came of it. */
import { describeEnding, describeHop, describeProbe, isAnswered, type Trace } from '../../model/trace.ts'
import type { Call, Spec } from '../command.ts'
import { done, unanswered } from '../exit.ts'
import { traceOptions } from '../options.ts'
import { answer } from '../output.ts'
import { emptyName } from '../problems.ts'
import { traceRequestOf } from '../request.ts'
import { plain } from '../text.ts'

export const tracingCommands: readonly Spec[] = [
  {
    spelled: 'trace <NAME>',
    summary:
      'Send a real packet to a forward as if it came from ADDRESS, and tell its way hop by hop; exit 3 when it is not answered',
    options: traceOptions,
    examples: [
      'drawbridge trace web --from 198.51.100.7',
      'drawbridge trace games --from 198.51.100.7 --proto udp --port 20057',
      'drawbridge trace web --from 198.51.100.7 --size 1500',
    ],
    act: trace,
  },
]

async function trace({ world, client, operands, options, format }: Call): Promise<number> {
  const [name = ''] = operands
  if (name === '') throw emptyName()
  const traced = await client.trace(traceRequestOf(name, options))
  await answer(world.terminal, format, traced, () => linesOf(traced))
  for (const note of traced.notes) world.terminal.err(`warning: ${plain(note)}\n`)
  return isAnswered(traced) ? done : unanswered
}

function linesOf(traced: Trace): readonly string[] {
  return [
    `${traced.forward}: ${describeProbe(traced)}`,
    ...traced.hops.map((hop) => `  ${describeHop(hop)}`),
    describeEnding(traced),
  ].map(plain)
}

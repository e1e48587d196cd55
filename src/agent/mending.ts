/** Ends the connections that contradict the forwards as they are now, and no other. */
import { judgeOf, type Left, overtakerOf, takesDatagrams, type Verdict } from '../compile/fates.ts'
import { reach } from '../faults.ts'
import type { Door } from '../kernel/door.ts'
import type { TrackedFlow } from '../kernel/flows.ts'
import type { Mark } from '../model/gateway.ts'
import type { Register } from '../model/register.ts'
import type { Holding } from './holding.ts'

/** The connections that a change may concern. */
export interface Seen {
  /** Those that came by a forward. */
  readonly forwarded: readonly TrackedFlow[]
  /** Those that did not, where a new forward may take them over. */
  readonly strangers: readonly TrackedFlow[]
}

export interface Judged extends Verdict {
  readonly flow: TrackedFlow
}

/** Established connections take a new mark over, so that they are still known as ours; gives the mark that they have. */
export async function takeMark(door: Door, before: Mark | undefined, mark: Mark): Promise<Mark> {
  const another = before && (before.value !== mark.value || before.mask !== mark.mask)
  if (another) await door.remarkFlows({ from: before, to: mark })
  return mark
}

/** Gives how many flows were ended. */
export async function mendFlows(door: Door, holding: Holding, left: Left): Promise<number> {
  reach('mending')
  const seen = await seeFlows(door, holding.register, left)
  const ending = judgeFlows(seen, holding, left).filter(({ fate }) => fate !== 'drain')
  reach('mending-found')
  if (ending.length > 0) await door.endFlows(ending.map(({ flow }) => flow))
  reach('mended')
  return ending.length
}

/** Asks the kernel for nothing when no connection can be concerned. */
export async function seeFlows(door: Door, { settings }: Register, left: Left): Promise<Seen> {
  const { mark } = settings
  const concerned = left.present === 'all' || left.former.length > 0
  const taking = left.present === 'all' || left.present.some(takesDatagrams)
  return {
    forwarded: concerned ? await door.flows(mark) : [],
    strangers: taking ? await door.flows({ value: 0, mask: mark.mask }) : [],
  }
}

/** Those that contradict what is held, with what is to become of them. */
export function judgeFlows(
  { forwarded, strangers }: Seen,
  { register, known }: Holding,
  left: Left,
): Judged[] {
  const judge = judgeOf(register, known, left)
  const overtaker = overtakerOf(register, left)
  return [
    ...forwarded.flatMap((flow) => withFlow(judge(flow), flow)),
    ...strangers.flatMap((flow) => withFlow(overtaker(flow), flow)),
  ]
}

function withFlow(verdict: Verdict | undefined, flow: TrackedFlow): Judged[] {
  return verdict ? [{ ...verdict, flow }] : []
}

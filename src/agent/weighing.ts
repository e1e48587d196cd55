/** What a change would do to the connections there are: judged as it would be done, and nothing is done. */
import { effectsOf, judgeOf, type Left } from '../compile/fates.ts'
import type { Holding } from './holding.ts'
import type { Machine } from './machine.ts'
import { judgeFlows, seeFlows } from './mending.ts'
import type { WeighAnswer, WeighMessage } from './protocol.ts'

/** `holding` is changed and changed back within one turn; the flows are read before. */
export async function weigh(
  { door, readHost }: Pick<Machine, 'door' | 'readHost'>,
  holding: Holding,
  { change, own }: WeighMessage,
): Promise<WeighAnswer> {
  const ours = new Set(readHost().addresses)
  const { register } = holding
  const left: Left = { ...holding.tries(change, (touched) => touched), unknown: false, ours }
  const seen = await seeFlows(door, register, left)
  const before = judgeOf(register, holding.known, { ...left, former: [], present: [] })
  const judged = holding
    .tries(change, () => judgeFlows(seen, holding, left))
    // What drains already does so because of an older change.
    .filter(({ flow, fate }) => !flow.over && before(flow)?.fate !== fate)
  const owned = new Set(own.map(({ address, port }) => `${address} ${port}`))
  const isOwn = ({ protocol, source, sourcePort }: (typeof judged)[number]['flow']) =>
    protocol === 'tcp' && owned.has(`${source} ${sourcePort}`)
  return {
    effects: effectsOf(judged),
    own: judged.find(({ flow }) => isOwn(flow))?.fate ?? null,
  }
}

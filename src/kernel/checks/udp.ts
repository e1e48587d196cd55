/** A datagram is answered by one that contains what is expected. */
import type { Check } from '../../model/check.ts'
import { alive, dead, type Outcome } from '../../model/condition.ts'
import { ask } from './datagrams.ts'
import type { Place } from './talk.ts'

export function checkUdp(place: Place, { send, answer }: Check & { kind: 'udp' }): Promise<Outcome> {
  const expected = Buffer.from(answer, 'latin1')
  return ask(place, Buffer.from(send, 'latin1'), (got) =>
    got.includes(expected) ? alive : dead('answer', got.toString('latin1', 0, 100)),
  )
}

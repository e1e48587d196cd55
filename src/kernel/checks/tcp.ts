/** A connection is accepted; nothing is said. */
import { alive, type Outcome } from '../../model/condition.ts'
import { type Place, talkTo } from './talk.ts'

export function checkTcp(place: Place): Promise<Outcome> {
  return talkTo(place, () => alive)
}

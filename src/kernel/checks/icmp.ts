/** A ping is answered. Where this process may not ping, nothing is known of the target. */
import { parseAddress } from '../../model/address.ts'
import { alive, dead, type Outcome } from '../../model/condition.ts'
import { ping } from '../ping.ts'
import type { Place } from './talk.ts'

export async function checkIcmp({ address, timeout }: Place): Promise<Outcome> {
  const heard = await ping(parseAddress('address', address), timeout)
  if (heard === 'answers') return alive
  if (heard === 'silent') return dead('silent')
  return { kind: 'unknown', why: 'pings are not allowed here (net.ipv4.ping_group_range)' }
}

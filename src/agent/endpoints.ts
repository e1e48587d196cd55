/** What the targets of a forward are at the moment, and how many connections each has been given. */
import { endpointElements } from '../compile/delivery.ts'
import type { Door } from '../kernel/door.ts'
import { type EndpointView, endpointKey } from '../model/endpoints.ts'
import type { Holding } from './holding.ts'

/** Of one forward; nothing when it is not held, or switched off. */
export async function viewEndpoints(
  door: Door,
  holding: Holding,
  name: string,
): Promise<readonly EndpointView[]> {
  const forward = holding.register.forwards.get(name)
  const number = holding.numberOf(name)
  if (!forward?.enabled || number === undefined) return []
  const found = endpointElements(number, forward, holding.known)
  const counts = await door.countElements(found.flatMap(({ elements }) => elements))
  let at = 0
  return found.map(({ endpoint, elements }) => {
    const own = counts.slice(at, at + elements.length)
    at += elements.length
    const { by, weight, state } = endpoint
    const connections = own.reduce<number>((sum, count) => sum + (count ?? 0), 0)
    return { by, at: endpointKey(endpoint, forward.listen), weight, state, connections }
  })
}

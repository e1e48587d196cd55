/** What the targets of a forward are at the moment, what their checks have found, and which connections they have. */
import { endpointElements } from '../compile/delivery.ts'
import { goesTo } from '../compile/flows.ts'
import { type EndpointView, endpointKey } from '../model/endpoints.ts'
import type { Holding } from './holding.ts'
import type { Machine } from './machine.ts'

const nowhere = { set: '', key: '' }

/** Of one forward; nothing when it is not held, or switched off. */
export async function viewEndpoints(
  { door, watching, proxying, tracing }: Pick<Machine, 'door' | 'watching' | 'proxying' | 'tracing'>,
  holding: Holding,
  name: string,
): Promise<readonly EndpointView[]> {
  const forward = holding.register.forwards.get(name)
  const number = holding.numberOf(name)
  if (!forward?.enabled || number === undefined) return []
  const found = endpointElements(number, forward, holding.known)
  const places = found.flatMap(({ elements }) => elements)
  const counted = await door.countElements(places)
  const counts = counted.map((count, at) => (count ?? 0) - tracing.uncounted.of(places[at] ?? nowhere))
  // All connections of all forwards are read for this, so only where somebody waits for their end.
  const leaving = found.some(({ endpoint }) => endpoint.state !== 'up')
  const flows = leaving ? await door.flows(holding.register.settings.mark) : []
  const proxied = forward.via ? await proxying.countsOf(number) : undefined
  let at = 0
  return found.map(({ endpoint, elements }) => {
    const own = counts.slice(at, at + elements.length)
    at += elements.length
    const { by, weight, quarters, state } = endpoint
    const key = endpointKey(endpoint, forward.listen)
    const through = proxied?.get(key)
    const connections = through?.connections ?? own.reduce((sum, count) => sum + count, 0)
    const open = through?.open ?? flows.filter((flow) => !flow.over && goesTo(flow, endpoint, forward)).length
    const checked = watching.conditionOf(name, key)
    return { by, at: key, weight, quarters, state, connections, open: state === 'up' ? null : open, checked }
  })
}

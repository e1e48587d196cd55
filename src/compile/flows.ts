/** Which established connections contradict the forwards as they are now. Pure. */
import type { Address, Family } from '../model/address.ts'
import type { Endpoint, Entrance } from '../model/endpoints.ts'
import { type Forward, isOwn, type OnChange } from '../model/forward.ts'
import { mapPort } from '../model/mapping.ts'

/** A tracked connection: what the client asked for, and who answers it. */
export interface Flow {
  readonly protocol: 'tcp' | 'udp' | 'icmp'
  readonly family: Family
  readonly source: string
  readonly sourcePort: number
  /** The address and port that the client sends to. */
  readonly destination: string
  readonly port: number
  /** The address and port that the replies come from. */
  readonly target: string
  readonly targetPort: number
}

/** A forward as it is now: where it sends, and whom it admits. */
export interface Judging {
  readonly forward: Forward
  readonly endpoints: readonly Endpoint[]
  /** Where its proxy takes it up, if it goes through one. */
  readonly entrance: Entrance | undefined
  readonly admits: (address: Address) => boolean
}

/** Whether the forward would send this flow where it goes, or lets it go on there. */
export function agrees(flow: Flow, { forward, endpoints, entrance, admits }: Judging): boolean {
  if (!forward.enabled || !admits({ family: flow.family, text: flow.source })) return false
  if (isOwn(forward)) return isUntranslated(flow)
  // To which target it goes on is the proxy's affair.
  if (forward.via) return entrance?.ports.includes(flow.targetPort) ?? false
  return endpoints.some(
    (endpoint) => isAt(flow, endpoint, forward) && mayStay(flow, endpoint, endpoints, forward),
  )
}

export function isUntranslated({ target, targetPort, destination, port }: Flow): boolean {
  return target === destination && targetPort === port
}

function isAt(flow: Flow, { address, ports }: Endpoint, { listen }: Forward): boolean {
  if (address.text !== flow.target) return false
  return listen.kind === 'ping' || mapPort(ports, flow.port, listen) === flow.targetPort
}

/** Whether it came by the opening of the forward, and goes to this endpoint. */
export function goesTo(flow: Flow, endpoint: Endpoint, forward: Forward): boolean {
  const { listen } = forward
  if (listen.kind === 'ping') return flow.protocol === 'icmp' && isAt(flow, endpoint, forward)
  if (flow.protocol === 'icmp' || !listen.protocols.includes(flow.protocol)) return false
  const within = listen.ports.some(({ first, last }) => first <= flow.port && flow.port <= last)
  return within && isAt(flow, endpoint, forward)
}

/**
 * TCP with an endpoint that drains ends by itself; datagrams have no end, and move. An endpoint that is down contradicts the
 * forward, unless all are and it is kept in use for that.
 */
function mayStay(
  { protocol, family }: Flow,
  { state }: Endpoint,
  endpoints: readonly Endpoint[],
  { onAllDown }: Forward,
): boolean {
  switch (state) {
    case 'up':
      return true
    case 'draining':
      return protocol === 'tcp'
    case 'down':
      return (
        onAllDown === 'keep' && !endpoints.some((one) => one.address.family === family && one.state === 'up')
      )
  }
}

/**
 * What to do with a flow that contradicts the forwards. UDP and ICMP have no end that could be waited for, and a steady
 * sender would stay on the old target for ever, so `drain` moves them at once and lets TCP finish.
 */
export function mustEnd({ protocol }: Pick<Flow, 'protocol'>, onChange: OnChange): boolean {
  switch (onChange) {
    case 'drain':
      return protocol !== 'tcp'
    case 'cut':
      return true
    case 'keep':
      return false
  }
}

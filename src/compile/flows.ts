/** Which established connections contradict the forwards as they are now. Pure. */
import type { Address, Family } from '../model/address.ts'
import type { Forward, OnChange } from '../model/forward.ts'
import { mapPort } from '../model/target.ts'

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

/** Whether the forward, as it is now and with whom it admits, would send this flow where it goes. */
export function agrees(flow: Flow, forward: Forward, admits: (address: Address) => boolean): boolean {
  if (!forward.enabled) return false
  const target = forward.targets.find(({ address }) => address.family === flow.family)
  if (!target || target.address.text !== flow.target) return false
  if (!admits({ family: flow.family, text: flow.source })) return false
  const { listen } = forward
  return listen.kind === 'ping' || mapPort(target.ports, flow.port, listen) === flow.targetPort
}

/**
 * What to do with a flow that contradicts the forwards. UDP and ICMP have no end that could be waited for, and a steady
 * sender would stay on the old target for ever, so `drain` moves them at once and lets TCP finish.
 */
export function mustEnd(flow: Flow, onChange: OnChange): boolean {
  switch (onChange) {
    case 'drain':
      return flow.protocol !== 'tcp'
    case 'cut':
      return true
    case 'keep':
      return false
  }
}

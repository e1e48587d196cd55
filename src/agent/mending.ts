/** Ends the connections that contradict the forwards as they are now, and no other. */
import { agrees, mustEnd, tookOpening } from '../compile/flows.ts'
import type { Door } from '../kernel/door.ts'
import type { TrackedFlow } from '../kernel/flows.ts'
import type { Forward } from '../model/forward.ts'
import type { Register } from '../model/register.ts'

/**
 * `former`: forwards as they were before the change; `added`: those that were not there at all. Gives how many flows
 * were ended. Asks the kernel for nothing when no connection can be concerned.
 */
export async function mendFlows(
  door: Door,
  register: Register,
  former: readonly Forward[],
  added: readonly Forward[],
): Promise<number> {
  const { mark, locked } = register.settings
  const ours = former.length > 0 ? await door.flows(mark) : []
  const stale = locked ? ours : ours.filter((flow) => isStale(flow, register, former))
  const taking = locked ? [] : added.filter(takesDatagrams)
  const strangers = taking.length > 0 ? await door.flows({ value: 0, mask: mark.mask }) : []
  const overtaken = strangers.filter((flow) => isOvertaken(flow, taking))
  const ending = [...stale, ...overtaken]
  if (ending.length > 0) await door.endFlows(ending)
  return ending.length
}

function isStale(flow: TrackedFlow, register: Register, former: readonly Forward[]): boolean {
  const now = currentFor(flow, register)
  if (now && agrees(flow, now, register.lists)) return false
  const judge = now ?? former.find((forward) => tookOpening(flow, forward))
  return judge !== undefined && mustEnd(flow, judge)
}

function currentFor(flow: TrackedFlow, { openings }: Register): Forward | undefined {
  const address = { family: flow.family, text: flow.destination }
  return flow.protocol === 'icmp' ? openings.ping(address) : openings.at(address, flow.protocol, flow.port)
}

function takesDatagrams({ listen, enabled }: Forward): boolean {
  return enabled && (listen.kind === 'ping' || listen.protocols.includes('udp'))
}

/** A steady UDP sender or ping that this machine itself answered until now would never meet the new forward. */
function isOvertaken(flow: TrackedFlow, added: readonly Forward[]): boolean {
  const untranslated = flow.target === flow.destination && flow.targetPort === flow.port
  return flow.protocol !== 'tcp' && untranslated && added.some((forward) => tookOpening(flow, forward))
}

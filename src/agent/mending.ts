/** Ends the connections that contradict the forwards as they are now, and no other. */
import { admitterOf } from '../compile/elements.ts'
import { agrees, mustEnd, tookOpening } from '../compile/flows.ts'
import { reach } from '../faults.ts'
import type { Door } from '../kernel/door.ts'
import type { TrackedFlow } from '../kernel/flows.ts'
import type { Forward } from '../model/forward.ts'
import type { Register } from '../model/register.ts'

/** What may have left connections behind. */
export interface Left {
  /** Forwards as they were before. */
  readonly former: readonly Forward[]
  /** Forwards that may take datagrams from now on; all of them when others had the table, or nothing is known of before. */
  readonly present: readonly Forward[] | 'all'
  /** What no forward explains is from before this agent, and not what it has let go on. */
  readonly unknown: boolean
  /** The addresses of this machine. */
  readonly ours: ReadonlySet<string>
}

/** Gives how many flows were ended. Asks the kernel for nothing when no connection can be concerned. */
export async function mendFlows(door: Door, register: Register, left: Left): Promise<number> {
  const { mark, locked } = register.settings
  reach('mending')
  const concerned = left.present === 'all' || left.former.length > 0
  const ours = concerned ? await door.flows(mark) : []
  const isStale = staleness(register, left)
  const stale = locked ? ours : ours.filter(isStale)
  const overtaken = locked ? [] : await overtakenFlows(door, register, left)
  const ending = [...stale, ...overtaken]
  reach('mending-found')
  if (ending.length > 0) await door.endFlows(ending)
  reach('mended')
  return ending.length
}

/** Whom a forward admits is worked out once for all flows, as a list may have thousands of prefixes. */
function staleness(register: Register, { former, unknown }: Left): (flow: TrackedFlow) => boolean {
  const admitters = new Map<Forward, ReturnType<typeof admitterOf>>()
  const admitter = (forward: Forward) => {
    const known = admitters.get(forward) ?? admitterOf(forward, register.lists)
    admitters.set(forward, known)
    return known
  }
  return (flow) => {
    const now = currentFor(flow, register)
    if (now.some((forward) => agrees(flow, forward, admitter(forward)))) return false
    const judge = now[0] ?? former.find((forward) => tookOpening(flow, forward))
    return judge ? mustEnd(flow, judge.onChange) : unknown && mustEnd(flow, 'drain')
  }
}

function currentFor(flow: TrackedFlow, { openings }: Register): readonly Forward[] {
  const address = { family: flow.family, text: flow.destination }
  if (flow.protocol !== 'icmp') return openings.allAt(address, flow.protocol, flow.port)
  const ping = openings.ping(address)
  return ping ? [ping] : []
}

function takesDatagrams({ listen, enabled }: Forward): boolean {
  return enabled && (listen.kind === 'ping' || listen.protocols.includes('udp'))
}

/**
 * Datagrams that this machine itself answers, or refuses, on a port that a forward takes: connection tracking remembers that
 * they were not translated, so a steady sender or ping would never meet the forward.
 */
async function overtakenFlows(
  door: Door,
  register: Register,
  { present, ours }: Left,
): Promise<readonly TrackedFlow[]> {
  const taking = new Set(
    [...(present === 'all' ? register.forwards.values() : present)].filter(takesDatagrams),
  )
  if (taking.size === 0) return []
  const strangers = await door.flows({ value: 0, mask: register.settings.mark.mask })
  return strangers.filter((flow) => {
    const untranslated = flow.target === flow.destination && flow.targetPort === flow.port
    if (flow.protocol === 'tcp' || !untranslated || !ours.has(flow.destination)) return false
    return currentFor(flow, register).some((forward) => taking.has(forward))
  })
}

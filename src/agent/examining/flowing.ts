/** The connections of one forward that the kernel tracks, and which of them wait for an answer. */
import type { Door } from '../../kernel/door.ts'
import type { TrackedFlow } from '../../kernel/flows.ts'
import { type Patience, readTrackingPatience } from '../../kernel/vitals.ts'
import type { FlowsExam } from '../../model/examination.ts'
import type { Forward } from '../../model/forward.ts'
import type { Mark } from '../../model/gateway.ts'

/** Connections that belong to this forward: their opening is told by what the client asked for. */
export async function flowsOf(door: Door, mark: Mark, forward: Forward): Promise<readonly TrackedFlow[]> {
  return (await door.flows(mark)).filter((flow) => isOf(flow, forward))
}

/** `before`: the same a moment ago. */
export function flowsExamined(
  now: readonly TrackedFlow[],
  before: readonly TrackedFlow[],
  client: string | null,
): FlowsExam {
  const patience = readTrackingPatience()
  const waiting = new Set(before.filter(isWaiting).map(keyOf))
  const answered = now.filter((flow) => flow.answered)
  const unanswered = now.filter((flow) => isWaiting(flow) && waiting.has(keyOf(flow)))
  const newest = newestOf(unanswered, patience)
  return {
    answered: answered.length,
    unanswered: unanswered.length,
    sinceAnswered: newestOf(answered, patience)?.since ?? null,
    sinceUnanswered: newest?.since ?? null,
    example: newest?.flow.source ?? '',
    masqueraded: busiest(now.filter(({ over }) => !over)),
    ofClient: now.filter(({ source, over }) => source === client && !over).length,
  }
}

const isWaiting = ({ answered, over }: TrackedFlow) => !answered && !over

const keyOf = ({ protocol, source, sourcePort, destination, port }: TrackedFlow) =>
  [protocol, source, sourcePort, destination, port].join(' ')

/** The kernel gives a connection its whole time anew with every packet. */
function newestOf(flows: readonly TrackedFlow[], patience: Patience) {
  const aged = flows.map((flow) => ({ flow, since: Math.max(0, wholeTime(flow, patience) - flow.left) }))
  return aged.sort((a, b) => a.since - b.since)[0]
}

function wholeTime(
  { protocol, phase, answered, left }: TrackedFlow,
  { tcp, udp, udpStream, icmp }: Patience,
): number {
  if (protocol === 'tcp') return tcp[phase] ?? 0
  if (protocol === 'icmp') return icmp
  return answered && left > udp ? udpStream : udp
}

function isOf({ protocol, port, destination }: TrackedFlow, { listen }: Forward): boolean {
  if (listen.kind === 'ping') return protocol === 'icmp' && destination === listen.address.text
  if (protocol === 'icmp' || !listen.protocols.includes(protocol)) return false
  const { place } = listen
  if (place.kind === 'address' && place.address.text !== destination) return false
  return listen.ports.some(({ first, last }) => first <= port && port <= last)
}

/** Masqueraded connections to one target share the ports of one address of this machine. */
function busiest(flows: readonly TrackedFlow[]): FlowsExam['masqueraded'] {
  const masqueraded = flows.filter(({ by, source }) => by !== source)
  const groups = Map.groupBy(masqueraded, ({ by, target, targetPort }) => `${by} ${target} ${targetPort}`)
  const [largest] = [...groups.values()].sort((a, b) => b.length - a.length)
  const one = largest?.[0]
  return one && largest
    ? { count: largest.length, to: `${one.target} port ${one.targetPort}`, by: one.by }
    : null
}

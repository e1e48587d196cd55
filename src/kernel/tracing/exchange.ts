/** One probe, from its first packet to its end: what the kernel told of it and of what came back. */
import {
  ACK,
  ends,
  FIN,
  type Header,
  isProbeStep,
  type Probe,
  RST,
  SYN,
  type TraceStep,
} from '../../model/trace/step.ts'
import type { ProbeDevice } from './device.ts'
import type { Hearing } from './hearing.ts'
import { packetOf } from './packet.ts'

export interface Told {
  /** Of the probe and of the first answer to it, in their order. */
  readonly steps: readonly TraceStep[]
  /** What became of a connection that was made: ended by both sides, or by us alone; null: none was made. */
  readonly ended: 'closed' | 'reset' | 'cut' | null
}

/** The packet is carried through the tables while it is written; messages come a moment later at most. */
const atOnce = 150
/** After the last thing that was waited for, what belongs to it. */
const moment = 5
/** So long a target may take to close a connection after we have. */
const farewell = 100

export interface Manner {
  /** So many milliseconds an answer is waited for. */
  readonly patience: number
  /** Of TCP: takes a connection that is offered, and closes it; else it is given up before anybody learns of it. */
  readonly whole: boolean
}

export async function exchange(
  device: ProbeDevice,
  hearing: Hearing,
  probe: Probe,
  { patience, whole }: Manner,
): Promise<Told> {
  const steps: TraceStep[] = []
  const until = async (end: number, enough: () => boolean) => {
    for (let left = end - performance.now(); left > 0 && !enough(); left = end - performance.now())
      steps.push(...about(probe, steps, await hearing.next(left)))
    return enough()
  }
  const began = performance.now()
  device.send(packetOf(probe))
  await until(began + Math.min(atOnce, patience), () => isDecided(steps, probe))
  if (!isStuck(steps, probe)) await until(began + patience, () => isDecided(steps, probe))
  await until(performance.now() + moment, () => false)
  const told = [...steps]
  const answer = answerIn(steps, probe)
  if (!answer || !isAccepting(answer)) return { steps: told, ended: null }
  if (whole) return { steps: told, ended: await close(device, probe, answer, until, steps) }
  device.send(packetOf(probe, { flags: RST, sequence: 2, acknowledged: 0 }))
  return { steps: told, ended: 'cut' }
}

/** Whose packets these are; the kernel tells of what others trace too. */
function about(probe: Probe, before: readonly TraceStep[], steps: readonly TraceStep[]): TraceStep[] {
  const known = new Set(before.map(({ packet }) => packet))
  return steps.filter(({ packet, header }) => {
    if (header && (isSent(header, probe) || isAnswer(header, probe))) known.add(packet)
    return known.has(packet)
  })
}

function isSent({ source, sourcePort, error }: Header, probe: Probe): boolean {
  return source === probe.source && sourcePort === probe.sourcePort && !error
}

function isAnswer({ destination, port, error }: Header, probe: Probe): boolean {
  return destination === probe.source && (port === probe.sourcePort || error !== null)
}

/** An answer that would have left for the source of the probe, and ended there. */
function answerIn(steps: readonly TraceStep[], probe: Probe): Header | undefined {
  const home = steps.findLast((step) => isProbeStep(step) && step.verdict === 'drop')
  return (
    steps.find(
      ({ packet, header, table, chain }) =>
        packet === home?.packet &&
        header !== null &&
        chain === ends.postrouting &&
        isProbeStep({ table }) &&
        isAnswer(header, probe),
    )?.header ?? undefined
  )
}

function isDecided(steps: readonly TraceStep[], probe: Probe): boolean {
  return steps.some((step) => step.verdict === 'drop') || answerIn(steps, probe) !== undefined
}

/** It came through the first hook, or not even to that, and nowhere else: waiting would change nothing. */
function isStuck(steps: readonly TraceStep[], probe: Probe): boolean {
  const sent = new Set(
    steps.flatMap(({ packet, header }) => (header && isSent(header, probe) ? [packet] : [])),
  )
  const beyond: readonly string[] = [ends.input, ends.postrouting]
  return !steps.some((step) => isProbeStep(step) && sent.has(step.packet) && beyond.includes(step.chain))
}

function isAccepting({ tcp }: Header): boolean {
  return tcp !== null && (tcp.flags & (SYN | ACK)) === (SYN | ACK)
}

type Until = (end: number, enough: () => boolean) => Promise<boolean>

/** Takes the connection, and ends it as a client does that has nothing to say; whoever does not close is reset. */
async function close(
  device: ProbeDevice,
  probe: Probe,
  accepted: Header,
  until: Until,
  steps: TraceStep[],
): Promise<'closed' | 'reset' | 'cut'> {
  const [ours, theirs] = [2, ((accepted.tcp?.sequence ?? 0) + 1) >>> 0]
  device.send(packetOf(probe, { flags: ACK, sequence: ours, acknowledged: theirs }))
  device.send(packetOf(probe, { flags: FIN | ACK, sequence: ours, acknowledged: theirs }))
  const ending = () =>
    steps.find(({ header }) => header?.tcp && isAnswer(header, probe) && header.tcp.flags & (FIN | RST))
  await until(performance.now() + farewell, () => ending() !== undefined)
  const tcp = ending()?.header?.tcp
  if (tcp && tcp.flags & RST) return 'reset'
  if (tcp) {
    const seen = (tcp.sequence + tcp.data + 1) >>> 0
    device.send(packetOf(probe, { flags: ACK, sequence: ours + 1, acknowledged: seen }))
    return 'closed'
  }
  device.send(packetOf(probe, { flags: RST | ACK, sequence: ours + 1, acknowledged: theirs }))
  return 'cut'
}

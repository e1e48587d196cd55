/** Connections in the kernel's tracking table, read and ended by ctnetlink. Source: uapi/linux/netfilter/nfnetlink_conntrack.h. */
import type { Flow } from '../compile/flows.ts'
import type { Mark } from '../model/gateway.ts'
import type { Probe } from '../model/trace/step.ts'
import { addressText, encodeFields } from './fields.ts'
import { KernelError, type Netlink } from './netlink.ts'
import {
  answerAttributes,
  attributes,
  family,
  type MessageWriter,
  NLM_F_ACK,
  NLM_F_DUMP,
  single,
} from './nfnetlink.ts'

const message = (type: number) => (1 << 8) | type
const CHANGE = message(0)
const GET = message(1)
const DELETE = message(2)
const ENOENT = 2
const SEEN_REPLY = 2

const flowAttributes = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  id: 12,
  zone: 18,
  markMask: 21,
} as const
const tuple = { ip: 1, protocol: 2 } as const
const address = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const
const protocol = { number: 1, sourcePort: 2, destinationPort: 3 } as const
const protocols: Readonly<Record<number, Flow['protocol']>> = { 6: 'tcp', 17: 'udp', 1: 'icmp', 58: 'icmp' }

/** A flow with what is needed to end exactly this one. */
export interface TrackedFlow extends Flow {
  /** The kernel's own bytes: original tuple, id and zone. */
  readonly handle: Readonly<Record<number, Buffer>>
  /** A TCP connection that both sides have ended and the kernel only remembers. */
  readonly over: boolean
  /** Something came back through this machine (IPS_SEEN_REPLY). */
  readonly answered: boolean
  /** The address that the target sees. */
  readonly by: string
  /** Of TCP, as enum tcp_conntrack numbers it; 0: not TCP. */
  readonly phase: number
  /** Seconds until the kernel forgets it, unless another packet comes. */
  readonly left: number
}

/** The flows whose mark, under the mask, is `mark.value`; the kernel filters. */
export function readFlows(netlink: Netlink, mark: Mark): TrackedFlow[] {
  const request = single(GET, NLM_F_DUMP, family.unspec, (to) => {
    to.u32(flowAttributes.mark, mark.value)
    to.u32(flowAttributes.markMask, mark.mask)
  })
  return netlink.request(request, 'reading connections').flatMap(({ body }) => {
    const flow = flowOf(answerAttributes(body))
    return flow ? [flow] : []
  })
}

function flowOf(parts: Map<number, Buffer>): TrackedFlow | undefined {
  const original = endpoints(parts.get(flowAttributes.original))
  const reply = endpoints(parts.get(flowAttributes.reply))
  const name = original && protocols[original.protocol]
  if (!name || !reply) return undefined
  const handle = [flowAttributes.original, flowAttributes.id, flowAttributes.zone].flatMap((type) => {
    const bytes = parts.get(type)
    return bytes ? [[type, bytes] as const] : []
  })
  const phase = phaseOf(parts.get(flowAttributes.protocolInfo))
  return {
    protocol: name,
    family: original.family,
    source: original.source,
    sourcePort: original.sourcePort,
    destination: original.destination,
    port: original.destinationPort,
    target: reply.source,
    targetPort: reply.sourcePort,
    handle: Object.fromEntries(handle),
    over: phase === TIME_WAIT || phase === CLOSE,
    answered: ((parts.get(flowAttributes.status)?.readUInt32BE() ?? 0) & SEEN_REPLY) !== 0,
    by: reply.destination,
    phase,
    left: parts.get(flowAttributes.timeout)?.readUInt32BE() ?? 0,
  }
}

/** enum ctattr_protoinfo and enum tcp_conntrack (uapi/linux/netfilter/nf_conntrack_tcp.h). */
function phaseOf(bytes: Buffer | undefined): number {
  const tcp = bytes && attributes(bytes).get(1)
  return (tcp && attributes(tcp).get(1)?.readUInt8()) ?? 0
}

const [TIME_WAIT, CLOSE] = [7, 8]

function endpoints(bytes: Buffer | undefined) {
  if (!bytes) return undefined
  const parts = attributes(bytes)
  const ip = attributes(parts.get(tuple.ip) ?? Buffer.alloc(0))
  const layer4 = attributes(parts.get(tuple.protocol) ?? Buffer.alloc(0))
  const v4 = ip.has(address.source4)
  const textAt = (type: number) => {
    const found = ip.get(type)
    return found ? addressText(found) : ''
  }
  const port = (type: number) => layer4.get(type)?.readUInt16BE() ?? 0
  return {
    family: v4 ? (4 as const) : (6 as const),
    source: textAt(v4 ? address.source4 : address.source6),
    destination: textAt(v4 ? address.destination4 : address.destination6),
    protocol: layer4.get(protocol.number)?.readUInt8() ?? 0,
    sourcePort: port(protocol.sourcePort),
    destinationPort: port(protocol.destinationPort),
  }
}

/** What `endFlow` has to know of a probe, whoever has taken it. */
export function trackedProbe(probe: Probe): Pick<TrackedFlow, 'family' | 'handle'> {
  const { family: of, protocol: name, source, sourcePort, destination, port } = probe
  const [four, field] = [of === 4, of === 4 ? ('ipv4_addr' as const) : ('ipv6_addr' as const)]
  const number = (value: number) => Buffer.from([value >> 8, value & 0xff])
  const numbers = { tcp: 6, udp: 17, icmp: four ? 1 : 58 }
  const [echo, identifier] = [
    four ? { type: 5, code: 6, id: 4 } : { type: 8, code: 9, id: 7 },
    number(sourcePort),
  ]
  const original = single(0, 0, 0, (to) => {
    to.nest(tuple.ip, () => {
      to.attribute(four ? address.source4 : address.source6, encodeFields([field], source))
      to.attribute(four ? address.destination4 : address.destination6, encodeFields([field], destination))
    })
    to.nest(tuple.protocol, () => {
      to.attribute(protocol.number, Buffer.from([numbers[name]]))
      if (name === 'icmp') {
        to.attribute(echo.id, identifier)
        to.attribute(echo.type, Buffer.from([four ? 8 : 128]))
        to.attribute(echo.code, Buffer.from([0]))
      } else {
        to.attribute(protocol.sourcePort, number(sourcePort))
        to.attribute(protocol.destinationPort, number(port))
      }
    })
  })
  return { family: of, handle: { [flowAttributes.original]: original.subarray(20) } }
}

/** Ends a flow: its next packet is judged as the first of a new connection. A flow already gone is no error. */
export function endFlow(netlink: Netlink, flow: Pick<TrackedFlow, 'family' | 'handle'>): void {
  tell(netlink, DELETE, flow, 'ending a connection')
}

/** Takes the bits of one mark off a flow and puts those of another on; the other bits stay (ctnetlink_change_mark). */
export function remarkFlow(netlink: Netlink, flow: TrackedFlow, from: Mark, to: Mark): void {
  tell(netlink, CHANGE, flow, 'marking a connection', (writer) => {
    writer.u32(flowAttributes.mark, to.value)
    writer.u32(flowAttributes.markMask, (from.mask | to.mask) >>> 0)
  })
}

/** Whether connection tracking knows a connection of exactly these ends: then it is somebody else's. */
export function isTracked(
  netlink: Netlink,
  { family: of, handle }: ReturnType<typeof trackedProbe>,
): boolean {
  const original = handle[flowAttributes.original] ?? Buffer.alloc(0)
  const request = single(GET, NLM_F_ACK, of === 4 ? family.ipv4 : family.ipv6, (to) =>
    to.nested(flowAttributes.original, original),
  )
  try {
    return netlink.request(request, 'looking for a connection').length > 0
  } catch (error) {
    if (error instanceof KernelError && error.errno === ENOENT) return false
    throw error
  }
}

function tell(
  netlink: Netlink,
  type: number,
  flow: Pick<TrackedFlow, 'family' | 'handle'>,
  doing: string,
  more: (to: MessageWriter) => void = () => {},
): void {
  const request = single(type, NLM_F_ACK, flow.family === 4 ? family.ipv4 : family.ipv6, (to) => {
    for (const [attribute, bytes] of Object.entries(flow.handle)) {
      if (Number(attribute) === flowAttributes.original) to.nested(Number(attribute), bytes)
      else to.attribute(Number(attribute), bytes)
    }
    more(to)
  })
  try {
    netlink.request(request, doing)
  } catch (error) {
    if (!(error instanceof KernelError && error.errno === ENOENT)) throw error
  }
}

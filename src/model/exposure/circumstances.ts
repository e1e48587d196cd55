/** What is known of packets when they come to a chain of others. */
import type { Family } from '../address.ts'
import type { Circumstances } from './packet.ts'
import type { BaseChain, FieldName } from './rules.ts'
import type { Scene } from './scene.ts'

/** Where connection tracking stands. */
const trackingPriority = -200

/** `here` and `away` are to be this machine's or not; `ours` a forward has translated, `opened` left to a service here. */
export type Stage = 'here' | 'translated here' | 'away' | 'ours' | 'opened'

/** Of packets that a forward has sent there, or has left to this machine. */
export interface Own {
  readonly address: string
  readonly mark: bigint
  readonly stage: 'ours' | 'opened'
}

const isMarked = (stage: Stage) => stage === 'ours' || stage === 'opened'

/** Where packets are just now. */
export interface Spot {
  readonly stage: Stage
  readonly own?: Omit<Own, 'stage'> | undefined
  /** The device that they have come by, or leave by as an answer, where that is not the interface of the outside. */
  readonly device?: string
  /** They are the answer to the first packet. */
  readonly answer?: boolean
}

const protocolNumbers = { tcp: 6, udp: 17 } as const
const echo = {
  4: { protocol: 1, ask: 8n, answer: 0n },
  6: { protocol: 58, ask: 128n, answer: 129n },
} as const
const etherTypes = { 4: 0x0800n, 6: 0x86ddn } as const
const [INVALID, ESTABLISHED, NEW] = [1n, 2n, 8n]
const [SEEN_REPLY, CONFIRMED, DESTINATION_NAT] = [2n, 8n, 0x20n]
const [UNICAST, LOCAL] = [1n, 2n]
const [SYN, ACK] = [2n, 16n]

/** What is known of these packets when they come to the chain. */
export function circumstancesOf(scene: Scene, chain: BaseChain, spot: Spot): Circumstances {
  const { family, protocol, altered, budget, returns } = scene
  const { stage, answer = false } = spot
  const known: Partial<Record<FieldName, bigint>> = {
    ...protocolFields(scene, answer),
    ...trackingFields(chain, spot),
    ...interfaceFields(scene, chain, spot),
    family: familyNumber(chain, family),
    addressKind: stage === 'away' || stage === 'ours' || answer ? UNICAST : LOCAL,
    packetKind: 0n,
    mark: 0n,
  }
  for (const field of altered) if (!(field === 'connectionMark' && isMarked(stage))) delete known[field]
  const unknown = answer || altered.has('mark')
  return {
    family,
    protocol,
    known,
    budget,
    returns: unknown ? { returns: undefined, routed: undefined } : returns,
  }
}

function familyNumber({ table }: BaseChain, family: Family): bigint {
  if (table.startsWith('netdev ')) return 5n
  return table.startsWith('bridge ') ? 7n : family === 4 ? 2n : 10n
}

function protocolFields({ family, protocol }: Scene, answer: boolean): Partial<Record<FieldName, bigint>> {
  const { protocol: icmp, ask, answer: answers } = echo[family]
  switch (protocol) {
    case 'icmp':
      return { protocol: BigInt(icmp), icmpType: answer ? answers : ask, icmpCode: 0n }
    case 'tcp':
      return { protocol: BigInt(protocolNumbers.tcp), tcpFlags: answer ? SYN | ACK : SYN }
    case 'udp':
      return { protocol: BigInt(protocolNumbers.udp) }
    default:
      return { protocol: BigInt(protocol.replace('protocol ', '')) }
  }
}

/** Before connections are tracked there is nothing to ask about. */
function trackingFields(
  { hook, priority }: BaseChain,
  { stage, own, answer = false }: Spot,
): Partial<Record<FieldName, bigint>> {
  const early = (hook === 'prerouting' || hook === 'output') && priority <= trackingPriority
  // A bridge may track connections by itself (nf_conntrack_bridge).
  if (hook.startsWith('bridge ')) return {}
  if (early || hook === 'ingress') return { state: INVALID }
  return {
    state: answer ? ESTABLISHED : NEW,
    status:
      (stage === 'here' || stage === 'opened' ? 0n : DESTINATION_NAT) |
      (answer ? SEEN_REPLY | CONFIRMED : 0n),
    direction: answer ? 1n : 0n,
    connectionMark: isMarked(stage) ? (own?.mark ?? 0n) : 0n,
  }
}

function interfaceFields(
  scene: Scene,
  { hook }: BaseChain,
  { stage, own, device, answer = false }: Spot,
): Partial<Record<FieldName, bigint>> {
  const by = device ?? scene.interface
  const target = stage === 'opened' ? undefined : own
  const far = scene.ways[target?.address ?? '']
  const isRouted = hook === 'forward' || ((hook === 'postrouting' || hook === 'egress') && target && !answer)
  const [comes, leaves] = answer ? [far, by] : [by, far]
  const inside = hook === 'output' || (answer && !target) ? '' : comes
  const out = isRouted || answer ? leaves : ''
  const at = scene.arrival.devices.findIndex(({ name }) => name === by)
  const tagged = scene.arrival.devices.slice(Math.max(at, 0)).some(({ isTagged }) => isTagged)
  const type = answer ? undefined : scene.arrival.devices[at]?.type
  // Which port of a bridge it is that leads to a target is not known.
  const isPort = hook.startsWith('bridge ') && !answer && target !== undefined
  return {
    ...(inside !== undefined && { inInterface: interfaceNumber(inside) }),
    ...(out !== undefined && !isPort && { outInterface: interfaceNumber(out) }),
    ...(!tagged && { etherType: etherTypes[scene.family] }),
    ...(type !== undefined && { linkType: BigInt(type) }),
  }
}

/** The name as the kernel compares it: sixteen bytes, the rest of them zero. */
function interfaceNumber(name: string): bigint {
  return BigInt(`0x${Buffer.from(name, 'latin1').toString('hex').padEnd(32, '0')}`)
}

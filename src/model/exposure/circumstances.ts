/** What is known of packets when they come to a chain of others. */
import type { Circumstances } from './packet.ts'
import type { Scene } from './passage.ts'
import type { BaseChain, FieldName } from './rules.ts'

/** Where connection tracking stands. */
const trackingPriority = -200

/** `here` and `away` are to be this machine's or not; `ours` a forward has translated, `opened` left to a service here. */
export type Stage = 'here' | 'translated here' | 'away' | 'ours' | 'opened'

export interface Own {
  readonly address: string
  readonly mark: bigint
  readonly stage: 'ours' | 'opened'
}

const protocolNumbers = { tcp: 6n, udp: 17n } as const
const [INVALID, NEW] = [1n, 8n]
const DESTINATION_NAT = 0x20n
const [UNICAST, LOCAL] = [1n, 2n]
const SYN = 2n

/** What is known of these packets when they come to the chain. */
export function circumstancesOf(
  scene: Scene,
  chain: BaseChain,
  stage: Stage,
  own?: Omit<Own, 'stage'>,
): Circumstances {
  const { family, protocol, altered, ways, budget } = scene
  const away = stage === 'away' || stage === 'ours'
  const marked = stage === 'ours' || stage === 'opened'
  const out = chain.hook === 'forward' ? ways[own?.address ?? ''] : ''
  const untracked = chain.hook === 'prerouting' && chain.priority <= trackingPriority
  const known: Partial<Record<FieldName, bigint>> = {
    family: family === 4 ? 2n : 10n,
    protocol: protocolNumbers[protocol],
    inInterface: interfaceNumber(scene.interface),
    ...(out !== undefined && { outInterface: interfaceNumber(out) }),
    state: untracked ? INVALID : NEW,
    status: stage === 'here' || stage === 'opened' ? 0n : DESTINATION_NAT,
    direction: 0n,
    addressKind: away ? UNICAST : LOCAL,
    packetKind: 0n,
    mark: 0n,
    connectionMark: marked ? (own?.mark ?? 0n) : 0n,
    ...(protocol === 'tcp' && { tcpFlags: SYN }),
  }
  for (const field of altered) if (!(field === 'connectionMark' && marked)) delete known[field]
  return { family, protocol, known, budget }
}

/** The name as the kernel compares it: sixteen bytes, the rest of them zero. */
function interfaceNumber(name: string): bigint {
  return BigInt(`0x${Buffer.from(name, 'latin1').toString('hex').padEnd(32, '0')}`)
}

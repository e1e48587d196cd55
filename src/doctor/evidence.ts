/** All that is known of one forward and its surroundings when it is examined. */
import type { Address, Family } from '../model/address.ts'
import type { EndpointExam, Examination } from '../model/examination.ts'
import { type Forward, familiesOf } from '../model/forward.ts'
import type { Mark } from '../model/gateway.ts'
import type { Listener } from '../model/listeners.ts'
import type { Trace } from '../model/trace.ts'

/** What a rule of others does to packets of the forward. */
export interface Passage {
  readonly state: 'open' | 'unread' | 'closed'
  /** Which rule of whom, in words. */
  readonly rule: string
  readonly remedy: string
  readonly command: string
}

export interface Evidence {
  readonly forward: Forward
  /** It is in the history alone. */
  readonly gone: { readonly how: 'closed' | 'expired'; readonly at: string } | null
  /** The client that it is about. */
  readonly client: Address | null
  /** Whether the sources admit the client, or anybody. */
  readonly admits: 'yes' | 'not the client' | 'nobody'
  readonly locked: boolean
  /** That connections of forwards have. */
  readonly mark: Mark
  /** Why the kernel does not hold what is wanted, and what to do. */
  readonly trouble: { readonly why: string; readonly remedy: string } | null
  /** Destination NAT of others that comes first, a sentence each. */
  readonly before: readonly string[]
  readonly passage: Passage | null
  readonly listeners: readonly Listener[]
  /** A real packet as if from the client, or from somebody whom the forward admits; null: none could be sent. */
  readonly trace: Trace | null
  /** Null: the agent did not answer, or does not hold it. */
  readonly exam: Examination | null
  readonly agent: 'up' | 'away'
}

/** The families that it is about. */
export function familiesAsked({ forward, client }: Evidence): readonly Family[] {
  return client ? [client.family] : familiesOf(forward)
}

/** Endpoints that take new connections, in the families that it is about. */
export function taking(evidence: Evidence): readonly EndpointExam[] {
  const { exam, forward } = evidence
  // A proxy goes to targets of both, whatever the client's is.
  const families = forward.via ? [4, 6] : familiesAsked(evidence)
  const all = (exam?.endpoints ?? []).filter(({ address }) => families.includes(address.family))
  const up = all.filter(({ state }) => state === 'up')
  return up.length === 0 && forward.onAllDown === 'keep' ? all.filter(({ state }) => state === 'down') : up
}

/** What a packet has shown is worth more than what this machine found when it asked: its own may be kept back by a rule. */
function isProven({ trace }: Evidence, { at: place }: EndpointExam): boolean {
  return trace?.ending.kind === 'answered' && trace.target === place
}

/** Those of `among` where asking is all there is: whoever has answered a probe is reached. */
export function unproven(
  evidence: Evidence,
  isSo: (endpoint: EndpointExam) => boolean,
): ReturnType<typeof among> {
  // Who may not ask is told nothing by silence, while a packet of somebody else is answered.
  if (evidence.exam?.hindered && evidence.trace?.ending.kind === 'answered') return undefined
  return among(evidence, (endpoint) => isSo(endpoint) && !isProven(evidence, endpoint))
}

/** The first of those of which it is so; `partial`: others are left, so some connections come through. */
export function among(
  evidence: Evidence,
  isSo: (endpoint: EndpointExam) => boolean,
): { readonly endpoint: EndpointExam; readonly partial: boolean } | undefined {
  const all = taking(evidence)
  const endpoint = all.find(isSo)
  if (!endpoint) return undefined
  return { endpoint, partial: !all.every(isSo) }
}

export const at = ({ at: text, address }: EndpointExam) => ({ at: text, address: address.text })

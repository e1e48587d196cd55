/** All that is known of one forward and its surroundings when it is examined. */
import type { Address, Family } from '../model/address.ts'
import type { EndpointExam, Examination } from '../model/examination.ts'
import { type Forward, familiesOf } from '../model/forward.ts'
import type { Listener } from '../model/listeners.ts'

/** What a rule of others does to packets of the forward. */
export interface Passage {
  readonly state: 'open' | 'unread' | 'closed'
  /** Which rule of whom, in words. */
  readonly rule: string
  /** Its text, as its program prints it. */
  readonly text: string
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
  /** Why the kernel does not hold what is wanted, and what to do. */
  readonly trouble: { readonly why: string; readonly remedy: string } | null
  /** Forwards for single addresses or interfaces that take packets of this one. */
  readonly winners: readonly { readonly name: string; readonly where: string }[]
  /** Destination NAT of others that comes first, a sentence each. */
  readonly before: readonly string[]
  readonly passage: Passage | null
  readonly listeners: readonly Listener[]
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
  const families = familiesAsked(evidence)
  const all = (exam?.endpoints ?? []).filter(({ address }) => families.includes(address.family))
  const up = all.filter(({ state }) => state === 'up')
  return up.length === 0 && forward.onAllDown === 'keep' ? all.filter(({ state }) => state === 'down') : up
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

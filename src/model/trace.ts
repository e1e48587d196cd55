/** What became of a probe: its way through this machine hop by hop, and how it ended, in sentences. */
import type { Family } from './address.ts'
import type { Hop, Judgement } from './trace/hops.ts'
import type { Probe } from './trace/step.ts'

/** How a probe ended. Of whom `by` it is said whose rule it was; `target` is the address with its port. */
export type Ending =
  | {
      readonly kind: 'answered'
      readonly how: 'accepts' | 'data' | 'echo'
      readonly ended: string
      readonly milliseconds: number
    }
  | { readonly kind: 'refused'; readonly by: string; readonly milliseconds: number }
  | {
      readonly kind: 'unreachable'
      readonly by: string
      readonly why: string
      readonly mtu: number
      readonly milliseconds: number
    }
  | { readonly kind: 'dropped' | 'rejected'; readonly judgement: Judgement; readonly meaning: string }
  | { readonly kind: 'unrouted'; readonly why: string }
  | { readonly kind: 'untaken' }
  | { readonly kind: 'unseen'; readonly why: string }
  | {
      readonly kind: 'silent'
      readonly neighbour: 'there' | 'missing' | 'unasked' | 'own'
      readonly via: string
      readonly by: string
    }
  | { readonly kind: 'answer-dropped'; readonly judgement: Judgement }
  | { readonly kind: 'answer-unrouted'; readonly why: string }

export interface Trace {
  readonly forward: string
  readonly family: Family
  readonly protocol: Probe['protocol']
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly port: number
  readonly size: number | null
  /** As if it came by this interface. */
  readonly by: string
  /** The address and port that it was sent on to; '' while it was not. */
  readonly target: string
  readonly hops: readonly Hop[]
  readonly ending: Ending
  /** So long an answer was waited for. */
  readonly patience: number
  /** What could not be seen. */
  readonly notes: readonly string[]
}

export function isAnswered({ ending }: Trace): boolean {
  return ending.kind === 'answered'
}

/** `a tcp packet from 198.51.100.7 to 203.0.113.1 port 8080, as if by out0` */
export function describeProbe(trace: Omit<Trace, 'hops' | 'ending'>): string {
  const { protocol, source, destination, port, size, by } = trace
  const to = protocol === 'icmp' ? destination : `${destination} port ${port}`
  const what = protocol === 'icmp' ? 'ping' : protocol
  const large = size === null ? '' : ` of ${size} bytes that must not be fragmented`
  return `${what === 'ping' ? 'a ping' : `a ${what} packet`}${large} from ${source} to ${to}, as if by ${by}`
}

export function describeHop(hop: Hop): string {
  switch (hop.kind) {
    case 'arrived':
      return hop.way === 'there' ? `arrives by ${hop.interface}` : `the answer arrives by ${hop.interface}`
    case 'judged':
      return describeJudgement(hop)
    case 'rewritten':
      return `${hop.what} ${hop.from} becomes ${hop.to}`
    case 'left':
      return hop.way === 'there'
        ? `leaves by ${hop.interface}`
        : `the answer would leave by ${hop.interface}; it is kept here`
    case 'delivered':
      return 'is delivered to this machine itself'
  }
}

const verbs = { accept: 'accepts', drop: 'drops', queue: 'hands it to a program' } as const

/** `ufw drops it in table ip filter, chain ufw-user-forward: -A ufw-user-forward … -j DROP` */
function describeJudgement(judgement: Judgement): string {
  const { owner, verdict, rule, handle } = judgement
  const where = placeOf(judgement)
  if (handle === 0 && verdict === 'accept') return `passes ${where}, as no rule there concerns it`
  const words = rule === '' ? (handle === 0 ? 'policy' : `rule handle ${handle}`) : rule
  const who = owner === 'by hand' ? 'a rule made by hand' : owner
  const does = verdict === 'queue' ? verbs.queue : `${verbs[verdict]} it`
  return `${who === '' ? 'a rule' : who} ${does} in ${where}: ${words}`
}

function placeOf({ table, base, chain, hook }: Judgement): string {
  const inside = chain === base ? `chain ${chain}` : `chain ${chain} (from ${base})`
  return `table ${table}, ${inside}${hook === '' ? '' : ` at ${hook}`}`
}

/** How it ended, in one sentence. */
export function describeEnding(trace: Trace): string {
  const { ending, target, patience } = trace
  const ms = (milliseconds: number) => `${milliseconds.toFixed(1)} ms`
  switch (ending.kind) {
    case 'answered':
      return `${target} ${answers[ending.how]} after ${ms(ending.milliseconds)}${ending.ended}`
    case 'refused':
      return `${target} refuses connections, as nothing listens there (after ${ms(ending.milliseconds)})`
    case 'unreachable':
      return `${ending.by} says after ${ms(ending.milliseconds)}: ${ending.why}`
    case 'dropped':
    case 'rejected':
      return `lost: ${describeJudgement(ending.judgement)}${ending.meaning === '' ? '' : ` (${ending.meaning})`}`
    case 'unrouted':
      return `lost in routing: ${ending.why}`
    case 'untaken':
      return 'no forward takes it; it is delivered to this machine itself'
    case 'unseen':
      return `it did not come to any table: ${ending.why}`
    case 'silent':
      return `nobody answered within ${patience / 1000} s: ${silenceOf(trace, ending)}`
    case 'answer-dropped':
      return `the answer is lost: ${describeJudgement(ending.judgement)}`
    case 'answer-unrouted':
      return `the answer is lost in routing: ${ending.why}`
  }
}

const answers = {
  accepts: 'accepts the connection',
  data: 'answers with a datagram',
  echo: 'answers the ping',
} as const

function silenceOf(
  { target, protocol, family }: Trace,
  { neighbour, via, by }: Ending & { kind: 'silent' },
): string {
  const asks = family === 4 ? 'ARP' : 'neighbour discovery'
  if (neighbour === 'own') return 'no program of this machine has answered'
  if (neighbour === 'missing')
    return via === ''
      ? `there is no such host on ${by}, nobody answers ${asks} for it (switched off, or another VLAN)`
      : `its router ${via} on ${by} does not answer ${asks}`
  const host = via === '' ? `the host of ${target} is there` : `the router ${via} towards ${target} is there`
  const open =
    protocol === 'udp' ? 'many services of UDP are silent about a datagram without a question, ' : ''
  return `${host}; ${open}its own firewall drops it, or its way back does not lead through this machine`
}

/** What a probe has shown of a forward after a change; without a trace none was sent, as it says. */
export interface Proof {
  readonly forward: string
  readonly trace: Trace | null
  readonly why: string
}

/** Whether it is worth a warning: a service of UDP may well be silent about a datagram without a question. */
export function isFinding({ trace }: Proof): boolean {
  if (!trace || isAnswered(trace)) return false
  const { ending, protocol } = trace
  return ending.kind !== 'silent' || protocol !== 'udp' || ending.neighbour === 'missing'
}

export function describeProof({ forward, trace, why }: Proof): string {
  if (!trace) return `${forward} was not probed: ${why}`
  const notes = trace.notes.length === 0 ? '' : ` (${trace.notes.join('; ')})`
  const how = isAnswered(trace) ? 'proven by ' : ''
  return `${forward}: ${how}${describeProbe(trace)}: ${describeEnding(trace)}${notes}`
}

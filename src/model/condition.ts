/** Whether a target is alive, as the checks have found it, and the words for it. */
import { shown } from './problem.ts'

/** Why a check failed. What the other side said is in `said`, already safe to print. */
export type Failure =
  | 'refused'
  | 'silent'
  | 'unreachable'
  | 'closed'
  | 'foreign'
  | 'denied'
  | 'status'
  | 'body'
  | 'answer'
  | 'endless'
  | 'tls'

/** What one check has found. `unknown`: it could not be made, which says nothing about the target. */
export type Outcome =
  | { readonly kind: 'alive'; readonly warning: string }
  | { readonly kind: 'dead'; readonly failure: Failure; readonly said: string }
  | { readonly kind: 'unknown'; readonly why: string }

export const alive: Outcome = { kind: 'alive', warning: '' }

/** `said` is foreign: it may be anything. */
export function dead(failure: Failure, said = ''): Outcome {
  return { kind: 'dead', failure, said: said === '' ? '' : shown(said) }
}

export interface Condition {
  /** `unchecked`: no check has decided yet, and connections are sent there. */
  readonly state: 'up' | 'down' | 'unchecked'
  /** UTC instant since when. */
  readonly since: string
  /** What the last check that failed said, while none was good after it; '' else. */
  readonly trouble: string
  /** What is to be mended though the target is up, such as a certificate that ends soon. */
  readonly warning: string
  /** It has come and gone again and again, and must be good for longer each time. */
  readonly flapping: boolean
}

/** What is known of one endpoint of a forward. */
export interface Checked extends Condition {
  readonly forward: string
  /** `10.0.0.5:80` */
  readonly endpoint: string
}

/** An endpoint has gone down or has come up. */
export interface Turned extends Omit<Checked, 'since' | 'warning'> {
  /** UTC instant. */
  readonly at: string
}

export interface HealthSummary {
  /** Endpoints of all forwards that are checked, and those of them that are down. */
  readonly checked: number
  readonly down: number
  /** How many are down, by forward, where some are. */
  readonly downIn: Readonly<Record<string, number>>
  /** Some of those that are down, then some that are up with a warning. */
  readonly worst: readonly Checked[]
  /** Checks that are late, as too many others are being made. */
  readonly waiting: number
}

export const nothingChecked: HealthSummary = { checked: 0, down: 0, downIn: {}, worst: [], waiting: 0 }

const words = {
  refused: 'it refuses connections',
  silent: 'it did not answer in time',
  unreachable: 'it cannot be reached',
  closed: 'it closed the connection before it had answered',
  foreign: 'it does not speak this protocol',
  denied: 'it takes no clients',
  status: 'it answers with the status',
  body: 'its answer does not contain the text',
  answer: 'it gives another answer',
  endless: 'it sends more than an answer has',
  tls: 'it cannot be talked to by TLS',
} as const satisfies Record<Failure, string>

/** The sentence of a failed check: `it takes no clients: "LOADING Redis is loading the dataset in memory"` */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'alive':
      return outcome.warning
    case 'unknown':
      return `it could not be checked: ${outcome.why}`
    case 'dead':
      return outcome.said === '' ? words[outcome.failure] : `${words[outcome.failure]}: ${outcome.said}`
  }
}

const soon = 14 * 24 * 3600 * 1000

/** A certificate that ends within two weeks, or has; '' when it is good for longer, or its end is not known. */
export function certificateWarning(validTo: string, now: number): string {
  const end = Date.parse(validTo)
  if (!(end - now < soon)) return ''
  const day = new Date(end).toISOString().slice(0, 10)
  return end < now ? `its certificate has ended on ${day}` : `its certificate ends on ${day}`
}

/** `down since 2026-11-24T10:00:00Z: it refuses connections` */
export function describeCondition({ state, since, trouble, warning, flapping }: Condition): string {
  const words = state === 'unchecked' ? 'not checked yet' : state
  const patience = flapping ? ' (flapping: it has to be good for longer each time)' : ''
  const why = [trouble, warning].filter((one) => one !== '').join('; ')
  return `${words} since ${since}${patience}${why === '' ? '' : `: ${why}`}`
}

/** `10.0.0.5:80 is down since 2026-11-24T10:00:00Z: it refuses connections` */
export function describeChecked(checked: Checked): string {
  return `${checked.endpoint} is ${describeCondition(checked)}`
}

/** `web: 10.0.0.5:80 is down: it refuses connections` */
export function describeTurned({ forward, endpoint, state, trouble, flapping }: Turned): string {
  if (state !== 'down') return `${forward}: ${endpoint} is up again`
  return `${forward}: ${endpoint} is down${flapping ? ', as so often' : ''}: ${trouble}`
}

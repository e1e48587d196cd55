/** What the doctor says of one check. */
import type { findings } from './catalogue/findings.ts'

export type Code = keyof typeof findings

/** `broken`: no connection comes through; `impaired`: some do not; `note`: worth knowing, and nothing is wrong for it. */
export type Severity = 'broken' | 'impaired' | 'note'

/** The worst first. */
export const ranks = { broken: 0, impaired: 1, note: 2 } as const satisfies Record<Severity, number>

/** What a client notices. */
export const symptoms = [
  'timed out',
  'refused',
  'unreachable',
  'intermittent loss',
  'failed handshake',
] as const
export type Symptom = (typeof symptoms)[number]

/** What Drawbridge itself can do about it. */
export type Mend = { readonly kind: 'enable' } | { readonly kind: 'lift' } | { readonly kind: 'masquerade' }

export interface Finding {
  readonly code: Code
  readonly forward: string
  readonly title: string
  readonly severity: Severity
  /** What was measured, in a sentence. */
  readonly evidence: string
  readonly remedy: string
  /** The exact command for the rest; '' where it is not for this machine to do. */
  readonly command: string
  /** Null: it is not Drawbridge's to mend. */
  readonly mend: Mend | null
}

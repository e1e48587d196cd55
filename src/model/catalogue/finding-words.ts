/** The shape of what the catalogue has for a finding. */
import type { Facts } from './entry.ts'

export interface FindingWords<F extends Facts> {
  /** What is wrong, without numbers: the same for every forward. */
  readonly title: string
  /** What was measured. */
  readonly says: (facts: F) => string
  readonly remedy: (facts: F) => string
  /** What to type on this machine; '' where it is not for this machine to do. */
  readonly command?: (facts: F) => string
}

export const words = <F extends Facts>(value: FindingWords<F>): FindingWords<F> => value

/** Of one endpoint. */
export interface At extends Facts {
  readonly at: string
  readonly address: string
}

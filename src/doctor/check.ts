/** The doctor: why a forward does not work and what to do, as data. A check is a value, and looks at values alone. */

import type { Facts } from '../model/catalogue/entry.ts'
import type { FindingWords } from '../model/catalogue/finding-words.ts'
import { findings } from '../model/catalogue/findings.ts'
import type { Code, Finding, Mend, Severity, Symptom } from '../model/finding.ts'
import type { Evidence } from './evidence.ts'

type FactsOf<C extends Code> = Parameters<(typeof findings)[C]['says']>[0]

/** What a check has seen. */
interface Sign<F> {
  readonly facts: F
  /** Some connections work all the same. */
  readonly partial?: boolean
  readonly mend?: Mend
}

export interface Check {
  readonly code: Code
  readonly severity: Severity
  /** What a client notices of it. */
  readonly symptoms: readonly Symptom[]
  /** While one of these is shown, this is its consequence, and silent. */
  readonly dependsOn: readonly Code[]
  readonly look: (evidence: Evidence) => Finding | undefined
}

interface Spec<C extends Code> {
  readonly severity: Severity
  readonly symptoms: readonly Symptom[]
  readonly dependsOn?: readonly Code[]
  readonly look: (evidence: Evidence) => Sign<FactsOf<C>> | undefined
}

/** The words stand in the catalogue, under the code. */
export function check<C extends Code>(code: C, { severity, symptoms, dependsOn = [], look }: Spec<C>): Check {
  const { title, says, remedy, command } = findings[code] as unknown as FindingWords<Facts>
  return {
    code,
    severity,
    symptoms,
    dependsOn,
    look: (evidence) => {
      const sign = look(evidence)
      if (!sign) return undefined
      const facts = sign.facts as Facts
      return {
        code,
        forward: evidence.forward.name,
        title,
        severity: sign.partial && severity === 'broken' ? 'impaired' : severity,
        evidence: says(facts),
        remedy: remedy(facts),
        command: command?.(facts) ?? '',
        mend: sign.mend ?? null,
      }
    },
  }
}

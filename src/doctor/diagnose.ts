/** From evidence to a diagnosis: every check looks, consequences are silent, and there is one headline at most. */
import { type Code, type Finding, ranks, type Symptom } from '../model/finding.ts'
import type { Check } from './check.ts'
import type { Evidence } from './evidence.ts'
import { kernelChecks } from './kernel.ts'
import { machineChecks } from './machine.ts'
import { ownChecks } from './own.ts'
import { probeChecks } from './probed.ts'
import { refusalChecks } from './refusals.ts'
import { targetChecks } from './target.ts'
import { wayChecks } from './way.ts'

/** In the order of a packet's way: what comes first is the cause of what comes later. */
export const checks: readonly Check[] = [
  ...ownChecks,
  ...kernelChecks,
  ...refusalChecks,
  ...wayChecks,
  ...targetChecks,
  ...probeChecks,
  ...machineChecks,
]

export interface Diagnosis {
  /** The cause to look at first; null: nothing is wrong. */
  readonly headline: Finding | null
  /** What else was found and is no consequence of the headline, notes last. */
  readonly others: readonly Finding[]
}

/** `symptom`: what a client notices; what explains it comes first. */
export function diagnose(evidence: Evidence, symptom: Symptom | null = null): Diagnosis {
  const seen = checks.flatMap((one) => {
    const finding = one.look(evidence)
    return finding ? [{ finding, check: one }] : []
  })
  const present = new Set<Code>(seen.map(({ finding }) => finding.code))
  const rank = ({ finding, check }: (typeof seen)[number]) =>
    ranks[finding.severity] * 2 + (symptom && !check.symptoms.includes(symptom) ? 1 : 0)
  const shown = seen
    .filter(({ check }) => !check.dependsOn.some((code) => present.has(code)))
    // Those of one rank stay in the order of the way (the sort is stable).
    .sort((a, b) => rank(a) - rank(b))
    .map(({ finding }) => finding)
  const [first, ...rest] = shown
  return first && first.severity !== 'note'
    ? { headline: first, others: rest }
    : { headline: null, others: shown }
}

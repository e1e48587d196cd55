/** Whether rules of others may keep this machine itself from asking a target, though they let forwarded packets pass. */
import type { Filters, Step, Verdict } from '../../model/exposure/rules.ts'

/** Some rule that packets of this machine come to drops, whatever it asks about. */
export function isHindered({ bases, chains }: Filters): boolean {
  return bases.some(({ hook, table, name, policy }) => {
    if (hook !== 'output') return false
    if (policy === 'drop') return true
    const reached = new Set([name])
    // A set is walked together with what is added on the way.
    for (const one of reached) {
      const verdicts = (chains[`${table} ${one}`]?.rules ?? []).flatMap(({ steps }) =>
        steps.flatMap(verdictsOf),
      )
      if (verdicts.some(({ kind }) => kind === 'drop' || kind === 'reject')) return true
      for (const verdict of verdicts) if ('chain' in verdict) reached.add(verdict.chain)
    }
    return false
  })
}

function verdictsOf(step: Step): readonly Verdict[] {
  if (step.kind === 'verdict') return [step.verdict]
  return step.kind === 'branch' ? step.rows.map(({ verdict }) => verdict) : []
}

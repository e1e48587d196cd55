/** Which targets are to be given no new connection, or are to be given some again. */
import { readAddress } from '../model/address.ts'
import { printDestination } from '../model/destination.ts'
import { nearest } from '../model/document.ts'
import type { Forward } from '../model/forward.ts'
import { Problem, shown } from '../model/problem.ts'
import { noChange } from '../model/register.ts'
import { printTarget, type Target } from '../model/target.ts'
import type { Store } from '../store/store.ts'
import { findForward } from './reading.ts'
import type { DrainRequest } from './shapes.ts'
import type { Wanted } from './weighing.ts'

/** A target is named as it is written, or by its host alone, which may be several. */
export function drained(store: Store, { name, targets, drain }: DrainRequest): Wanted {
  const forward = findForward(store, name)
  const wanted = new Set(targets.flatMap((text) => targetsNamed(forward, text)))
  const changed = {
    ...forward,
    targets: forward.targets.map((target) => (wanted.has(target) ? { ...target, drain } : target)),
  }
  return { change: { ...noChange, put: [changed] }, named: [changed] }
}

function targetsNamed(forward: Forward, text: string): readonly Target[] {
  const host = readAddress(text.replace(/^\[(.*)\]$/, '$1'))?.text ?? text.toLowerCase()
  const names = (target: Target) => [
    printTarget(target, forward.listen),
    printDestination(target.destination),
  ]
  const found = forward.targets.filter((target) =>
    names(target).some((one) => one === text || one.toLowerCase() === host),
  )
  if (found.length === 0) {
    const known = forward.targets.map((target) => printTarget(target, forward.listen))
    const facts = {
      name: forward.name,
      value: shown(text),
      known: known.join(', '),
      nearest: nearest(text, known),
    }
    throw Problem.of('no-such-target', facts)
  }
  if (found.some(({ destination }) => destination.kind === 'self'))
    throw Problem.of('drains-itself', { name: forward.name })
  return found
}

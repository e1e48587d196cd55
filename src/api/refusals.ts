/** Why a change is refused before the store is asked. */
import type { Forward } from '../model/forward.ts'
import { Intervals } from '../model/intervals.ts'
import { printListen } from '../model/listen.ts'
import type { Hidden, Listener } from '../model/listeners.ts'
import type { Openings } from '../model/openings.ts'
import { Problem } from '../model/problem.ts'
import { type Change, type Register, sameForward } from '../model/register.ts'
import type { Store } from '../store/store.ts'
import type { Asking } from './asking.ts'
import { hiddenBy } from './conflicts.ts'
import type { Plan } from './shapes.ts'

/** The services of this machine that a change hides; an opening that was there before hides nothing anew. */
export function hiddenAnew(
  { forwards }: Register,
  { put }: Change,
  listeners: readonly Listener[],
): readonly Hidden[] {
  const anew = put.filter((forward) => {
    const before = forwards.get(forward.name)
    return !before?.enabled || printListen(before.listen) !== printListen(forward.listen)
  })
  return hiddenBy(new Intervals(anew), listeners)
}

/** What the operator stands on is changed on trial only, unless they say that it is meant (`confirm` 0). */
export function refuseUnconfirmed({ confirm }: Plan, asking: Asking): void {
  if (asking.confirm === undefined && confirm.length > 0)
    throw Problem.of('confirmation-required', { why: confirm.join('; ') })
}

export function refuseStale({ generation }: Store, based: number | undefined): void {
  if (based !== undefined && based !== generation)
    throw Problem.of('stale-generation', { based, now: generation })
}

/** Its time is over before it is opened. In a file that is an old entry, on the command line a slip. */
export function isOver({ expires }: Forward, now: number): boolean {
  return expires !== null && Date.parse(expires) <= now
}

export function refuseOver(forward: Forward, now: number): void {
  if (isOver(forward, now)) throw Problem.of('over', { field: 'expires', value: forward.expires ?? '' })
}

export function refuseRepeated(forwards: readonly Forward[]): void {
  const seen = new Map<string, Forward>()
  for (const forward of forwards) {
    const first = seen.get(forward.name)
    if (first) throw nameTaken(first)
    seen.set(forward.name, forward)
  }
}

export function nameTaken({ name, listen }: Forward): Problem {
  return Problem.of('name-taken', { name, listen: printListen(listen) })
}

/** The forward that already has exactly this opening, whatever its name. */
export function sameOpening(openings: Openings, forward: Forward): Forward | undefined {
  const held = openings.holderOf(forward)
  return held && printListen(held.listen) === printListen(forward.listen) ? held : undefined
}

/** The same forward with another end: opening it again for two hours means two hours from now. */
export function renews(forward: Forward, held: Forward): boolean {
  const lasting = forward.expires !== null && held.expires !== null
  return lasting && sameForward({ ...forward, name: held.name, expires: held.expires }, held)
}

/** Which host names and SRV names the forwards that are on have as targets. */
import { printDestination } from '../../model/destination.ts'
import type { Forward } from '../../model/forward.ts'
import type { Store } from '../../store/store.ts'

/** The names among the targets that are asked for here; containers are the agent's to follow. */
export function namesOf({ targets }: Pick<Forward, 'targets'>): readonly string[] {
  const names = targets.flatMap(({ destination }) =>
    destination.kind === 'name' || destination.kind === 'srv' ? printDestination(destination) : [],
  )
  return [...new Set(names)]
}

/** Keeps the names with how many forwards have them; a change costs what it touches. Gives what to call after a commit. */
export function wantedNames(
  store: Pick<Store, 'generation' | 'register' | 'since'>,
  follow: (names: ReadonlySet<string>) => void,
): () => void {
  const named = new Map<string, readonly string[]>()
  const counts = new Map<string, number>()
  let seen = -1

  const count = (names: readonly string[], step: 1 | -1) => {
    for (const name of names) {
      const now = (counts.get(name) ?? 0) + step
      if (now > 0) counts.set(name, now)
      else counts.delete(name)
    }
  }

  return () => {
    const { forwards } = store.register
    const touched = seen < 0 ? undefined : store.since(seen)?.forwards
    let changed = seen < 0
    for (const forward of touched ?? new Set([...named.keys(), ...forwards.keys()])) {
      const now = forwards.get(forward)
      const [before, after] = [named.get(forward) ?? [], now?.enabled ? namesOf(now) : []]
      changed ||= before.join(' ') !== after.join(' ')
      count(before, -1)
      count(after, 1)
      if (after.length > 0) named.set(forward, after)
      else named.delete(forward)
    }
    seen = store.generation
    if (changed) follow(new Set(counts.keys()))
  }
}

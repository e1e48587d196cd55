/** Whom other programs have banned, and who is kept out of a forward for that. */
import type { Family } from '../address.ts'
import { type Forward, familiesOf } from '../forward.ts'
import { describeSources } from '../sources.ts'
import { type Admitted, admittedBy, type Lists } from './admitted.ts'
import { joined, meet, type Ranges, without } from './ranges.ts'
import { rangesOfSpans, type Span } from './rules.ts'
import { networkWords } from './words.ts'

/** All of one family that one program has banned, as our own table has it. */
export interface BannedBy {
  readonly by: string
  readonly family: Family
  readonly spans: readonly Span[]
}

export interface Banned {
  /** `198.51.100.9 by fail2ban (sshd)`; '' when nobody is. */
  readonly words: string
  /** Nobody else may use it. */
  readonly everybody: boolean
}

/** Forwards of the same sources have the same. */
export function bannedFor(banned: readonly BannedBy[], lists: Lists): (forward: Forward) => Banned {
  const listed = banned.map(({ by, family, spans }) => ({ by, family, ranges: joined(rangesOfSpans(spans)) }))
  const known = new Map<string, Banned>()
  return (forward) => {
    if (listed.length === 0) return { words: '', everybody: false }
    const families = familiesOf(forward)
    const key = `${families} ${forward.sources === 'anywhere' ? '' : describeSources(forward.sources)}`
    const found = known.get(key) ?? bannedAmong(admittedBy(forward.sources, lists), families, listed)
    known.set(key, found)
    return found
  }
}

function bannedAmong(
  sources: Admitted,
  families: readonly Family[],
  listed: readonly { readonly by: string; readonly family: Family; readonly ranges: Ranges }[],
): Banned {
  const words: string[] = []
  let left = false
  for (const family of families) {
    const admitted = sources[family]
    const here = listed.filter((one) => one.family === family)
    for (const { by, ranges } of here) {
      const kept = meet(admitted, ranges)
      if (kept.length > 0) words.push(`${networkWords(kept, family).text} by ${by}`)
    }
    const all = joined(here.flatMap(({ ranges }) => ranges))
    left ||= without(admitted, all).length > 0
  }
  return { words: words.join(', '), everybody: words.length > 0 && !left }
}

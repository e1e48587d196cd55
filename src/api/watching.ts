/** Looks now and then at what else wants the packets of forwards, as a new listener is no event, and tells what is new. */
import type { Clock } from '../reconcile/runner.ts'
import type { LookForConflicts } from './survey.ts'

/** At most so often, and never for more than a thousandth of the time. */
const pause = 60_000
const share = 1000

/** Tells each conflict when it is first seen, and when it is no more. Gives what stops it. */
export function watchConflicts(
  look: LookForConflicts,
  clock: Pick<Clock, 'after'>,
  tell: (sentence: string, there: boolean) => void,
): () => void {
  let known: ReadonlySet<string> = new Set()
  let stopped = false
  let cancel = () => {}

  const run = async () => {
    const began = performance.now()
    // Whatever is wrong is the status's to say; the next look is as good.
    const seen = new Set((await look().catch(() => undefined)) ?? known)
    if (stopped) return
    for (const sentence of seen) if (!known.has(sentence)) tell(sentence, true)
    for (const sentence of known) if (!seen.has(sentence)) tell(sentence, false)
    known = seen
    cancel = clock.after(Math.max(pause, (performance.now() - began) * share), () => void run())
  }

  cancel = clock.after(pause, () => void run())
  return () => {
    stopped = true
    cancel()
  }
}

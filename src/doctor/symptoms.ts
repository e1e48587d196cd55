/** The words in which people tell of a failure, as one of the five that the checks know. */
import type { Symptom } from '../model/finding.ts'

/** Each row: what clients and browsers say of it. The first that fits counts. */
const rows: readonly (readonly [Symptom, RegExp])[] = [
  ['failed handshake', /handshake|ssl|tls|reset|closed|hang ?up|empty reply|eof|protocol error|broken pipe/i],
  ['intermittent loss', /intermittent|loss|lost|sometimes|slow|flak|drop|now and then|retransmi/i],
  ['refused', /refus|econnrefused/i],
  ['unreachable', /unreach|no route|ehostunreach|enetunreach|prohibit/i],
  ['timed out', /time[sd]? ?-?out|timeout|etimedout|hang|no (answer|response)|silent/i],
]

export function symptomOf(words: string): Symptom | undefined {
  return rows.find(([, says]) => says.test(words))?.[0]
}

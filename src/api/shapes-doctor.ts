/** What the API answers about why forwards do not work. */
import type { Finding, Symptom } from '../model/finding.ts'
import type { Changed, Trial } from './shapes.ts'

/** One forward and what was found about it. */
export interface Patient {
  readonly name: string
  /** The cause to look at first; null: nothing is wrong. */
  readonly headline: Finding | null
  /** What else was found and is no consequence of it; notes last. */
  readonly others: readonly Finding[]
}

export interface DoctorPage {
  readonly generation: number
  /** What a client notices, as it was understood. */
  readonly symptom: Symptom | null
  /** The worst of the headlines. */
  readonly headline: Finding | null
  readonly forwards: readonly Patient[]
  /** So many forwards were not looked at. */
  readonly unseen: number
}

/** What was done about a finding that is Drawbridge's to mend. */
export interface Mended {
  readonly before: DoctorPage
  /** Null: nothing that was found is. */
  readonly mended: Finding | null
  readonly changed: Changed | null
  /** Looked at once more; null where nothing was done. */
  readonly after: DoctorPage | null
}

/** What does not work, and for whom. */
export interface Complaint {
  /** A forward's name or opening; left out: all of them. */
  readonly name?: string | undefined
  /** The address of a client. */
  readonly from?: string | undefined
  /** What it notices, in its words. */
  readonly symptom?: string | undefined
}

export interface DoctorRequest extends Complaint, Trial {
  readonly name: string
}

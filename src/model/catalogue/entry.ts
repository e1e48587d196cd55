/** The shape of an entry of the catalogue. */

export type Facts = Readonly<Record<string, string | number>>

export interface Entry<F extends Facts> {
  /** HTTP status; 4xx means that nothing was changed. */
  readonly status: number
  readonly says: (facts: F) => string
  readonly remedy: (facts: F) => string
}

export const entry = <F extends Facts>(value: Entry<F>): Entry<F> => value

/** Fields that name the place of a bad value in the words the operator typed. */
export interface Bad extends Facts {
  readonly field: string
  readonly value: string
}

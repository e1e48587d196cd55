/** Works that must not overlap. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** Each work begins when the one before it has ended, well or not. */
export function oneAfterTheOther(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }
}

/** How many forwards need each set that is made by need, and each family. */
export class Needs {
  readonly #counts = new Map<string, number>()

  recount(leaving: readonly string[], coming: readonly string[]): void {
    for (const need of leaving) this.#bump(need, -1)
    for (const need of coming) this.#bump(need, 1)
  }

  has(need: string): boolean {
    return this.#counts.has(need)
  }

  all(): Iterable<string> {
    return this.#counts.keys()
  }

  #bump(need: string, step: 1 | -1): void {
    const count = (this.#counts.get(need) ?? 0) + step
    if (count > 0) this.#counts.set(need, count)
    else this.#counts.delete(need)
  }
}

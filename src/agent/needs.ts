/** How many forwards need each set that is made by need, and each family. */
export class Needs {
  readonly #counts = new Map<string, number>()
  readonly #kept = new Map<string, ReadonlySet<string>>()

  /**
   * What a forward needs it goes on needing until it is changed, whoever comes and goes among its targets: each other number
   * of slots is another static part, which is loaded anew and has the boot file written anew.
   */
  keep(name: string, needs: readonly string[]): void {
    this.#kept.set(name, new Set([...this.kept(name), ...needs]))
  }

  kept(name: string): Iterable<string> {
    return this.#kept.get(name) ?? []
  }

  forget(name: string): void {
    this.#kept.delete(name)
  }

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

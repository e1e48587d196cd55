/** So many at once, and so many more each second: what a hostile controller asks for is to be no flood. */
export class Ration {
  readonly most: number
  readonly perSecond: number
  readonly #now: () => number
  #left: number
  #filled: number

  /** `now` in milliseconds, by a clock that nobody sets. */
  constructor(most: number, perSecond: number, now: () => number) {
    this.most = most
    this.perSecond = perSecond
    this.#now = now
    this.#left = most
    this.#filled = now()
  }

  /** Takes one; false when there is none left. */
  take(): boolean {
    const now = this.#now()
    this.#left = Math.min(this.most, this.#left + ((now - this.#filled) / 1000) * this.perSecond)
    this.#filled = now
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}

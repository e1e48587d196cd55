/** The last times at which targets went down or came up, for whoever asks what is new. */
import { randomUUID } from 'node:crypto'
import type { Turned } from '../../model/condition.ts'

const most = 1000

export interface Turns {
  /** Changes with every agent, as it counts anew. */
  readonly epoch: string
  /** The number of the newest. */
  readonly last: number
  readonly turns: readonly Turned[]
}

export class TurnBook {
  readonly #epoch = randomUUID()
  #last = 0
  #turns: Turned[] = []

  enter(turn: Turned): void {
    this.#last += 1
    this.#turns = [...this.#turns.slice(1 - most), turn]
  }

  /** Those after number `after` of this epoch; all that are known to whoever knows another one. */
  after(epoch: string, after: number): Turns {
    const missed = epoch === this.#epoch ? this.#last - after : this.#turns.length
    const turns = missed > 0 ? this.#turns.slice(-missed) : []
    return { epoch: this.#epoch, last: this.#last, turns }
  }
}

/** Follows Docker's containers: their names, and the addresses behind them as they come and go. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Containers, noContainers } from '../model/container.ts'
import { findDaemon, listen } from '../neighbours/containers/daemon.ts'
import { eventsPath, readContainers } from '../neighbours/containers/reading.ts'
import { follower, type Rhythm } from './guarding.ts'

/** What a container does acts within a second; a reading costs Docker a millisecond for each ten containers. */
const rhythm: Rhythm = { every: 50, share: 4, longest: 500, anyway: 30_000 }
/** So soon it is looked for again after it has gone. */
const missing = 500

export class Containing {
  readonly #find: () => string | undefined
  readonly #first = Promise.withResolvers<void>()
  seen: Containers = noContainers

  constructor(find: () => string | undefined = findDaemon) {
    this.#find = find
  }

  /** From now on `looked` is called after each reading; when it fails there is another soon. */
  watch(looked: () => Promise<void>): void {
    const look = follower(async () => {
      this.seen = await this.#read()
      this.#first.resolve()
      await looked()
      return undefined
    }, rhythm)
    void this.#hear(look)
  }

  /** Resolves when they have been read once, or a Docker that does not answer has been waited for long enough. */
  async settle(patience = 1000): Promise<void> {
    await Promise.race([this.#first.promise, sleep(patience)])
  }

  /**
   * While Docker is away nobody else is given the addresses of its containers, and they may run on without it
   * (`live-restore`): what was read last holds until it answers again.
   */
  async #read(): Promise<Containers> {
    const { containers, docker } = this.seen
    const socket = this.#find()
    if (socket === undefined)
      return docker === 'none' ? noContainers : { docker: 'silent', trouble: 'it does not run', containers }
    try {
      return { docker: 'followed', trouble: '', containers: await readContainers(socket) }
    } catch (error) {
      return { docker: 'silent', trouble: (error as Error).message, containers }
    }
  }

  async #hear(look: () => void): Promise<never> {
    for (;;) {
      const socket = this.#find()
      if (socket !== undefined) {
        await listen(socket, eventsPath, look).catch(() => {})
        look()
      }
      await sleep(missing)
    }
  }
}

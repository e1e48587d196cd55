/** Follows Docker's containers: their names, and the addresses behind them as they come and go. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { InTurn } from '../inturn.ts'
import { type Containers, noContainers, whereaboutsOf } from '../model/container.ts'
import type { Located } from '../model/endpoints.ts'
import { findDaemon, listen } from '../neighbours/containers/daemon.ts'
import { eventsPath, readContainers } from '../neighbours/containers/reading.ts'
import { follower, type Rhythm } from './guarding.ts'
import type { Learned } from './learning.ts'

/** What a container does acts within a second; a reading costs Docker a millisecond for each ten containers. */
const rhythm: Rhythm = { every: 50, share: 4, longest: 500, anyway: 30_000 }
/** So soon it is looked for again after it has gone. */
const missing = 500

/** By container as a target names it; one that has none any more stands for no address. */
type News = Map<string, readonly Located[]>

/** Has targets follow. */
type Learn = (news: { whereabouts: News }) => Promise<void>

/** So long a Docker that does not answer is waited for, once. */
const patience = 1000

export class Containing {
  readonly #find: () => string | undefined
  /** What forwards have been told last. */
  #told: ReadonlyMap<string, readonly Located[]> = new Map()
  #inTurn: InTurn = (work) => work()
  #learn: Learn = async () => {}
  #reading: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  seen: Containers = noContainers

  constructor(find: () => string | undefined = findDaemon) {
    this.#find = find
  }

  /** From now on `learn` is told of every change, in turn; when it fails it is told again soon. */
  watch(inTurn: InTurn, learn: Learn): void {
    this.#inTurn = inTurn
    this.#learn = learn
    const look = follower(() => this.#look().then(() => undefined), rhythm)
    void this.#hear(look)
  }

  /** As they are now, and forwards have been told; as they were where Docker does not answer soon. Not in turn. */
  async fresh(): Promise<Containers> {
    if (this.seen.docker !== 'silent') await Promise.race([this.#look().catch(() => {}), sleep(patience)])
    return this.seen
  }

  /** The same, in turn. */
  async settle(): Promise<void> {
    if (this.seen.docker !== 'silent') await Promise.race([this.#read(), sleep(patience)])
    // What cannot be written now is told again soon.
    await this.#tell().catch(() => {})
  }

  async #look(): Promise<void> {
    await this.#read()
    await this.#inTurn(() => this.#tell())
  }

  /** One reading at a time: whoever asks while one goes on gets the next. */
  #read(): Promise<void> {
    this.#next ??= this.#reading.then(async () => {
      this.#next = undefined
      this.#reading = this.#ask().then((found) => {
        this.seen = found
      })
      await this.#reading
    })
    return this.#next
  }

  async #tell(): Promise<void> {
    const now = whereaboutsOf(this.seen.containers)
    const keys = [...new Set([...now.keys(), ...this.#told.keys()])]
    const changed = keys.filter((key) => textOf(now.get(key)) !== textOf(this.#told.get(key)))
    if (changed.length === 0) return
    await this.#learn({ whereabouts: new Map(changed.map((key) => [key, now.get(key) ?? []])) })
    this.#told = now
  }

  /**
   * While Docker is away nobody else is given the addresses of its containers, and they may run on without it
   * (`live-restore`): what was read last holds until it answers again.
   */
  async #ask(): Promise<Containers> {
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
      if (socket !== undefined) await listen(socket, eventsPath, look).catch(() => {})
      if (socket !== undefined || this.seen.docker === 'followed') look()
      await sleep(missing)
    }
  }
}

/** Whether it is of containers alone. */
export function areContainers({ whereabouts, down }: Partial<Learned>): boolean {
  if (!whereabouts || down) return false
  return [...whereabouts.keys()].every((key) => key.startsWith('container:'))
}

function textOf(located: readonly Located[] = []): string {
  return located.map(({ address }) => address.text).join()
}

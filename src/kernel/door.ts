/** The door to the kernel: the few verbs there are, each carried out by the worker in the order asked. */
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Interest } from './denials/places.ts'
import type { Report, WatcherData, WatcherMessage } from './watcher.ts'
import type { KernelCalls, ReplyMessage } from './worker.ts'

/** Every call of the worker, as a promise. The same value twice is harmless. */
export type Door = {
  readonly [Name in keyof KernelCalls]: (
    ...argument: Parameters<KernelCalls[Name]>
  ) => Promise<ReturnType<KernelCalls[Name]>>
} & {
  /** Calls `listener` for whatever others do to the ruleset and to this machine, from the moment this resolves. */
  readonly watch: (listener: (report: Report) => void, interest?: Interest) => Promise<void>
  /** Resolves when the worker has ended, on purpose or not; every call after that is refused. */
  readonly ended: Promise<void>
  readonly close: () => Promise<void>
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Opens the door of the network namespace that this process runs in. Rejects when the kernel does not let us. */
export async function openDoor(): Promise<Door> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url))
  const waiting = new Map<number, Waiting>()
  const watching: (() => void)[] = []
  let calls = 0

  worker.on('message', (reply: ReplyMessage) => {
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) call?.reject(reply.error)
    else call?.resolve(reply.value)
  })
  let why: Error | undefined
  worker.on('error', (error) => {
    why = error as Error
  })
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      why ??= new Error('the thread that talks to the kernel has ended')
      for (const call of waiting.values()) call.reject(why)
      waiting.clear()
      resolve()
    })
  })

  const ask = <Name extends keyof KernelCalls>(name: Name) => {
    const call = (argument?: unknown) =>
      new Promise<unknown>((resolve, reject) => {
        if (why) return reject(why)
        calls += 1
        waiting.set(calls, { resolve, reject })
        worker.postMessage({ id: calls, name, argument })
      })
    return call as Door[Name]
  }

  const door: Door = {
    port: ask('port'),
    defaultInterfaces: ask('defaultInterfaces'),
    way: ask('way'),
    refusal: ask('refusal'),
    routesBySource: ask('routesBySource'),
    carriers: ask('carriers'),
    neighbour: ask('neighbour'),
    isNeighbourFixed: ask('isNeighbourFixed'),
    forgetNeighbour: ask('forgetNeighbour'),
    useNeighbour: ask('useNeighbour'),
    listeners: ask('listeners'),
    holders: ask('holders'),
    others: ask('others'),
    foreignChains: ask('foreignChains'),
    denials: ask('denials'),
    ipsetHeads: ask('ipsetHeads'),
    ipset: ask('ipset'),
    services: ask('services'),
    links: ask('links'),
    returns: ask('returns'),
    filters: ask('filters'),
    ways: ask('ways'),
    bridges: ask('bridges'),
    sessions: ask('sessions'),
    runNft: ask('runNft'),
    own: ask('own'),
    letGo: ask('letGo'),
    ownProbe: ask('ownProbe'),
    letGoProbe: ask('letGoProbe'),
    isTracked: ask('isTracked'),
    endProbe: ask('endProbe'),
    wayIn: ask('wayIn'),
    chains: ask('chains'),
    ruleHandles: ask('ruleHandles'),
    write: ask('write'),
    countElements: ask('countElements'),
    fingerprint: ask('fingerprint'),
    setNames: ask('setNames'),
    chainNames: ask('chainNames'),
    read: ask('read'),
    counts: ask('counts'),
    flows: ask('flows'),
    remarkFlows: ask('remarkFlows'),
    endFlows: ask('endFlows'),
    watch: async (listener, interest = { tables: [], chains: [], ipsets: [] }) => {
      watching.push(await startWatcher({ ownPort: await door.port(), interest }, listener))
    },
    ended,
    close: async () => {
      for (const stop of watching) stop()
      await worker.terminate()
    },
  }
  await door.setNames()
  return door
}

/**
 * Gives what ends it. A thread that sleeps in the kernel cannot be ended otherwise, and the end of this process would
 * wait for it.
 */
async function startWatcher(data: WatcherData, listener: (report: Report) => void): Promise<() => void> {
  const watcher = new Worker(new URL('./watcher.ts', import.meta.url), { workerData: data })
  watcher.on('error', (error) => {
    throw error
  })
  const endedBy = await new Promise<number>((resolve) => {
    watcher.on('message', (message: WatcherMessage) => {
      if (message.kind === 'listening') resolve(message.endedBy)
      else listener(message)
    })
  })
  watcher.unref()
  const stop = () => {
    process.off('exit', stop)
    writeSync(endedBy, new BigUint64Array([1n]))
  }
  process.on('exit', stop)
  return stop
}

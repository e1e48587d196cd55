/** The door to the kernel: the few verbs there are, each carried out by the worker in the order asked. */
import { Worker } from 'node:worker_threads'
import type { KernelCalls, ReplyMessage } from './worker.ts'

/** Every call of the worker, as a promise. The same value twice is harmless. */
export type Door = {
  readonly [Name in keyof KernelCalls]: (
    ...argument: Parameters<KernelCalls[Name]>
  ) => Promise<ReturnType<KernelCalls[Name]>>
} & { readonly close: () => Promise<void> }

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Opens the door of the network namespace that this process runs in. Rejects when the kernel does not let us. */
export async function openDoor(): Promise<Door> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url))
  const waiting = new Map<number, Waiting>()
  let calls = 0

  worker.on('message', (reply: ReplyMessage) => {
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) call?.reject(reply.error)
    else call?.resolve(reply.value)
  })
  worker.on('error', (error) => {
    for (const call of waiting.values()) call.reject(error as Error)
    waiting.clear()
  })

  const ask = (name: keyof KernelCalls) => (argument?: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      calls += 1
      waiting.set(calls, { resolve, reject })
      worker.postMessage({ id: calls, name, argument })
    })

  const door = {
    runNft: ask('runNft'),
    write: ask('write'),
    countElements: ask('countElements'),
    fingerprint: ask('fingerprint'),
    setNames: ask('setNames'),
    read: ask('read'),
    counts: ask('counts'),
    flows: ask('flows'),
    endFlows: ask('endFlows'),
    close: async () => {
      await worker.terminate()
    },
  } as Door
  await door.setNames()
  return door
}

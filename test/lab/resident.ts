/** Talks to the process inside a namespace (inside.ts). */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Reply, Verb, Verbs } from './inside/protocol.ts'
import { enter } from './process.ts'

export interface Resident {
  readonly pid: number
  /** Rejects with one of the words in protocol.ts. */
  tell<V extends Verb>(verb: V, takes: Verbs[V]['takes']): Promise<Verbs[V]['gives']>
  end(): Promise<void>
}

const script = fileURLToPath(new URL('inside.ts', import.meta.url))
/** Loading the script takes 40 ms with it and 120 without. */
export const compileCache = fileURLToPath(new URL('../../node_modules/.cache/lab', import.meta.url))

type Settle = (reply: Reply) => void

export function startResident(namespace: string): Resident {
  const [file = '', ...args] = [...enter(namespace), process.execPath, script]
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache },
  })
  const waiting = new Map<number, Settle>()
  let next = 1
  let over = false
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  }).then(() => {
    over = true
    for (const settle of waiting.values()) settle({ id: 0, error: 'its process ended' })
  })
  child.stdin.on('error', () => {})
  createInterface({ input: child.stdout }).on('line', (line) => {
    const reply = JSON.parse(line) as Reply
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
  })
  return {
    pid: child.pid ?? 0,
    tell: <V extends Verb>(verb: V, takes: Verbs[V]['takes']) =>
      new Promise<Verbs[V]['gives']>((resolve, reject) => {
        if (over) return reject(new Error('its process ended'))
        const id = next++
        waiting.set(id, ({ gives, error }) => {
          if (error === undefined) resolve(gives as Verbs[V]['gives'])
          else reject(new Error(error))
        })
        child.stdin.write(`${JSON.stringify({ id, verb, takes })}\n`)
      }),
    end: async () => {
      child.stdin.end()
      await ended
    },
  }
}

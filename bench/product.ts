/** Drawbridge as people run it: `bin/drawbridge up` in a gateway, and its API. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, connect } from '../src/api/client.ts'
import type { ForwardDocument } from '../src/model/document.ts'
import { Problem } from '../src/model/problem.ts'
import type { Namespace } from './commands.ts'

const launcher = fileURLToPath(new URL('../bin/drawbridge', import.meta.url))

export interface Memory {
  /** MiB that are resident now. */
  readonly agent: number
  readonly controller: number
}

export interface Drawbridge {
  readonly api: Client
  /** Runs `bin/drawbridge` with these words for this instance. */
  readonly command: (...words: string[]) => Promise<string>
  readonly memory: () => Memory
  /** Ends both processes; the kernel keeps its forwards. */
  readonly stop: () => Promise<void>
  /** Starts both again; resolves when they say that they are ready. */
  readonly start: () => Promise<void>
}

/** `state` is the directory of this instance. Resolves when it is ready. */
export async function startDrawbridge(where: Namespace, state: string): Promise<Drawbridge> {
  const begin = () => where.start('drawbridge: ready', launcher, 'up', '--state', state)
  let running = await begin()
  return {
    api: connect(join(state, 'run', 'api', 'api.sock')),
    command: (...words) => where.run(launcher, '--state', state, ...words),
    memory: () => ({ agent: residentOf(state, 'agent'), controller: residentOf(state, 'controller') }),
    stop: () => running.end('SIGTERM'),
    start: async () => {
      running = await begin()
    },
  }
}

/** Adds forwards and waits for the kernel to have them; on a busy machine that may be long after the answer. */
export async function openAll({ api }: Drawbridge, forwards: readonly ForwardDocument[]): Promise<void> {
  await api.apply({ gateway: { version: 1, forwards } }).catch((error: unknown) => {
    if (!(error instanceof Problem && error.code === 'not-in-step')) throw error
  })
  const { ready } = await api.status(60)
  if (!ready) throw new Error('the kernel does not have the forwards')
}

function residentOf(state: string, process: 'agent' | 'controller'): number {
  const pid = readFileSync(join(state, 'run', `${process}.pid`), 'utf8').trim()
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}

/** The ports from 1024 on that 64,000 forwards take. */
export const many = { low: 1024, count: 64_000 } as const

export interface Wanted {
  /** Several are a pool. */
  readonly targets: readonly string[]
  readonly targetPort: number
  readonly low: number
  readonly count: number
  /** Who may use the forward of a port; left out: anyone. */
  readonly from?: (port: number) => readonly string[]
}

/** One forward for each port. */
export function forwardsOf({ targets, targetPort, low, count, from }: Wanted): ForwardDocument[] {
  return Array.from({ length: count }, (_, index) => {
    const port = low + index
    return {
      name: `port-${port}`,
      listen: `tcp/${port}`,
      to: targets.map((target) => `${target}:${targetPort}`),
      ...(from && { from: [...from(port)] }),
    }
  })
}

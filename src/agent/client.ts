/** The controller's side of the agent's socket. Connects when first asked, and again after the agent came back. */
import { connect, type Socket } from 'node:net'
import { readLines } from '../lines.ts'
import { Problem } from '../model/problem.ts'
import type { AgentMessage, AnswerOf, Reply } from './protocol.ts'

export interface AgentClient {
  /** Rejects with the agent's problem, or with `agent-away` when it cannot be reached or goes away meanwhile. */
  ask<Verb extends keyof AnswerOf>(message: AgentMessage & { readonly verb: Verb }): Promise<AnswerOf[Verb]>
  /** Called whenever the connection is lost; the agent may have been started anew. */
  onAway(listener: () => void): void
  close(): void
}

/** A load of 64,000 forwards takes seconds, and everything else may have to wait for it; beyond this it hangs. */
const patience = {
  put: 120_000,
  weigh: 60_000,
  clear: 60_000,
  counts: 30_000,
  facts: 15_000,
  locate: 60_000,
  endpoints: 15_000,
  health: 15_000,
  turns: 15_000,
  listeners: 15_000,
  exposed: 30_000,
  others: 15_000,
  bans: 15_000,
  ban: 60_000,
  admitted: 30_000,
  holders: 15_000,
  containers: 15_000,
  probe: 15_000,
  trace: 30_000,
  prove: 15_000,
  examine: 30_000,
  witness: 15_000,
  sessions: 15_000,
} as const

interface Waiting {
  readonly patience: number
  readonly resolve: (reply: Reply<keyof AnswerOf> | undefined) => void
}

export function agentAt(path: string): AgentClient {
  const waiting = new Map<number, Waiting>()
  const listeners: (() => void)[] = []
  let socket: Socket | undefined
  let asked = 0
  let watch: NodeJS.Timeout | undefined
  let movedAt = 0

  /** It answers one after the other, so a short question may wait for a long work: the most patient one counts. */
  const keepWatch = () => {
    clearTimeout(watch)
    const longest = Math.max(0, ...[...waiting.values()].map((one) => one.patience))
    const left = movedAt + longest - performance.now()
    watch = waiting.size === 0 ? undefined : setTimeout(() => socket?.destroy(), left)
  }

  const lost = () => {
    socket = undefined
    for (const { resolve } of waiting.values()) resolve(undefined)
    waiting.clear()
    keepWatch()
    for (const listener of listeners) listener()
  }

  const open = () => {
    const opened = connect(path)
    opened.on('error', () => opened.destroy())
    opened.on('close', () => {
      if (socket === opened) lost()
    })
    readLines(opened, Number.POSITIVE_INFINITY, (line) => {
      const reply = JSON.parse(line) as Reply<keyof AnswerOf>
      waiting.get(reply.id)?.resolve(reply)
      waiting.delete(reply.id)
      movedAt = performance.now()
      keepWatch()
    })
    return opened
  }

  return {
    async ask(message) {
      socket ??= open()
      const to = socket
      asked += 1
      const id = asked
      const reply = await new Promise<Reply<keyof AnswerOf> | undefined>((resolve) => {
        if (waiting.size === 0) movedAt = performance.now()
        waiting.set(id, { patience: patience[message.verb], resolve })
        keepWatch()
        to.write(`${JSON.stringify({ id, message })}\n`)
      })
      if (!reply) throw Problem.of('agent-away', {})
      if ('problem' in reply) throw Problem.from(reply.problem)
      return reply.answer as never
    },
    onAway: (listener) => void listeners.push(listener),
    close: () => socket?.destroy(),
  }
}

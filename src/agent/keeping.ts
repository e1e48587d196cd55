/** The agent's side of the keeper of proxies, which `drawbridge up` starts when it is called for. */
import { writeSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { readLines } from '../lines.ts'
import {
  type ProxyAnswerOf,
  type ProxyMessage,
  type ProxyReply,
  proxyAnswers,
  proxyReply,
} from '../proxy/protocol.ts'

export interface ProxyKeeper {
  /** Rejects with its words, or when it cannot be reached. Calls it when it does not run, unless told not to. */
  ask<Verb extends keyof ProxyAnswerOf>(
    message: ProxyMessage & { readonly verb: Verb },
    call?: boolean,
  ): Promise<ProxyAnswerOf[Verb]>
  onAway(listener: () => void): void
}

/** Of a start of its process, on a machine with other things to do. */
const patience = 15_000
const answerPatience = 60_000
/** The counts of some thousand servers of HAProxy. */
const longestLine = 64 * 1024 * 1024

export function proxyKeeperAt(path: string, callIt: () => void): ProxyKeeper {
  const waiting = new Map<number, (reply: ProxyReply | undefined) => void>()
  const listeners: (() => void)[] = []
  let socket: Socket | undefined
  let asked = 0

  const lost = (one: Socket) => {
    if (socket !== one) return
    socket = undefined
    for (const resolve of waiting.values()) resolve(undefined)
    waiting.clear()
    for (const listener of listeners) listener()
  }

  const open = async (call: boolean): Promise<Socket> => {
    for (const end = Date.now() + patience; ; await sleep(50)) {
      const opened = await connected(path)
      if (opened) return opened
      if (!call || Date.now() > end) throw new Error('the keeper of proxies does not run')
      callIt()
    }
  }

  const use = async (call: boolean): Promise<Socket> => {
    if (socket) return socket
    const opened = await open(call)
    socket = opened
    opened.unref()
    opened.on('close', () => lost(opened))
    readLines(opened, longestLine, (line) => {
      const reply = readReply(line)
      if (!reply) return opened.destroy()
      waiting.get(reply.id)?.(reply)
      waiting.delete(reply.id)
    })
    return opened
  }

  return {
    async ask(message, call = true) {
      const to = await use(call)
      asked += 1
      const id = asked
      const reply = await new Promise<ProxyReply | undefined>((resolve) => {
        const timer = setTimeout(() => to.destroy(), answerPatience)
        waiting.set(id, (said) => {
          clearTimeout(timer)
          resolve(said)
        })
        to.write(`${JSON.stringify({ id, message })}\n`)
      })
      if (!reply) throw new Error('the keeper of proxies has gone')
      if ('failure' in reply) throw new Error(reply.failure)
      return proxyAnswers[message.verb].parse(reply.answer) as never
    },
    onAway: (listener) => void listeners.push(listener),
  }
}

/** Whoever breaks into a proxy is the keeper's user, and may answer in its place. */
function readReply(line: string): ProxyReply | undefined {
  try {
    return proxyReply.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.on('error', () => {
      socket.destroy()
      resolve(undefined)
    })
  })
}

/** `drawbridge up` holds the other end of this descriptor of ours. */
const callingDescriptor = 3

export function callKeeper(): void {
  try {
    writeSync(callingDescriptor, '\n')
  } catch {
    // Somebody else has started us; then the keeper is theirs to start.
  }
}

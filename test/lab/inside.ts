/** The process inside a namespace: does what it is told by lines on stdin, so that a question costs no new process. */
import { createInterface } from 'node:readline'
import { type Answering, answer } from './inside/answering.ts'
import { ask, exchange } from './inside/asking.ts'
import { type Loading, load } from './inside/loading.ts'
import { type Reply, type Verb, type Verbs, wordFor } from './inside/protocol.ts'
import { type Streaming, stream } from './inside/streaming.ts'
import { serveWeb } from './inside/web.ts'

type Doing = { readonly [V in Verb]: (takes: Verbs[V]['takes']) => Promise<Verbs[V]['gives']> }

/** Servers and streams by the handle that was given out for them. */
function keeper<T>(): { keep: (one: T) => number; find: (handle: number) => T } {
  const kept: T[] = []
  return {
    keep: (one) => kept.push(one) - 1,
    find: (handle) => {
      const found = kept[handle]
      if (found === undefined) throw new Error(`no handle ${handle}`)
      return found
    },
  }
}

const servers = keeper<Answering>()
const streams = keeper<Streaming>()
const loads = keeper<Loading>()

const doing: Doing = {
  ask,
  exchange: async (to) => ({ received: await exchange(to) }),
  answer: async (wanted) => ({ handle: servers.keep(await answer(wanted)) }),
  web: async ({ port, text }) => {
    await serveWeb(port, text)
    return null
  },
  seen: async ({ handle }) => servers.find(handle).seen,
  stop: async ({ handle }) => {
    servers.find(handle).stop()
    return null
  },
  stream: async (beat) => {
    const streaming = await stream(beat)
    return { handle: streams.keep(streaming), answer: streaming.answer }
  },
  look: async ({ handle }) => streams.find(handle).look(),
  end: ({ handle }) => streams.find(handle).end(),
  load: async (wanted) => ({ handle: loads.keep(load(wanted)) }),
  loadSeen: async ({ handle }) => loads.find(handle).look(),
  loadEnds: ({ handle }) => loads.find(handle).end(),
}

async function obey(line: string): Promise<Reply> {
  const { id, verb, takes } = JSON.parse(line) as { id: number; verb: Verb; takes: never }
  try {
    return { id, gives: await doing[verb](takes) }
  } catch (error) {
    return { id, error: wordFor(error as NodeJS.ErrnoException) }
  }
}

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  void obey(line).then((reply) => process.stdout.write(`${JSON.stringify(reply)}\n`))
})
// Whoever started us is gone, perhaps without a word.
lines.on('close', () => process.exit(0))

/** The agent's socket: one JSON object a line, one answer a line. The file's mode says who may speak. */
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { readLines } from '../lines.ts'
import { readDocument } from '../model/document.ts'
import { Problem } from '../model/problem.ts'
import { type AgentMessage, type AnswerOf, agentMessage } from './protocol.ts'

export type Answer = (message: AgentMessage) => Promise<AnswerOf[AgentMessage['verb']]>

/** A message of 64,000 forwards is some 20 MB; a line beyond this ends the connection. */
const longestLine = 256 * 1024 * 1024
/** The controller has one connection, `up` and `down` another for a moment; each may make us hold a line of that length. */
const mostConnections = 8
/** Whoever asks more before it has taken its answers is not heard further until it has. */
const mostUnanswered = 64

/**
 * Listens on `path`. The socket is made with mode 0660 in a directory that only root and the controller's group may
 * enter: connect(2) on it needs write permission, so nobody else can (unix(7)).
 */
export async function serve(path: string, answer: Answer): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    readLines(
      socket,
      longestLine,
      inPortions(socket, (line) => reply(socket, line, answer)),
    )
  })
  server.maxConnections = mostConnections
  const mask = process.umask(0o117)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  process.umask(mask)
  return server
}

/** Carries out so many lines at a time, and hears no further while others wait. */
function inPortions(socket: Socket, carryOut: (line: string) => Promise<void>): (line: string) => void {
  const waiting: string[] = []
  let unanswered = 0
  const next = () => {
    if (unanswered >= mostUnanswered) return void socket.pause()
    const line = waiting.shift()
    if (line === undefined) return void socket.resume()
    unanswered += 1
    void carryOut(line).then(() => {
      unanswered -= 1
      next()
    })
    next()
  }
  return (line) => {
    waiting.push(line)
    next()
  }
}

/** Resolves when the answer is on its way, or nobody is there any more to read it. */
async function reply(socket: Socket, line: string, answer: Answer): Promise<void> {
  const { id, message } = open(line)
  const say = (text: object) =>
    new Promise<void>((resolve) => void socket.write(`${JSON.stringify({ id, ...text })}\n`, () => resolve()))
  try {
    await say({ answer: await answer(readDocument(agentMessage, 'message', message)) })
  } catch (error) {
    const problem =
      error instanceof Problem ? error : Problem.of('went-wrong', { why: (error as Error).message }, error)
    await say({ problem: problem.details() })
  }
}

function open(line: string): { id: number; message: unknown } {
  try {
    const { id, message } = JSON.parse(line) as { id?: unknown; message?: unknown }
    return { id: typeof id === 'number' ? id : 0, message }
  } catch {
    return { id: 0, message: undefined }
  }
}

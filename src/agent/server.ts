/** The agent's socket: one JSON object a line, one answer a line. The file's mode says who may speak. */
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { readDocument } from '../model/document.ts'
import { Problem } from '../model/problem.ts'
import { readLines } from './lines.ts'
import { type AgentMessage, type AnswerOf, agentMessage } from './protocol.ts'

export type Answer = (message: AgentMessage) => Promise<AnswerOf[AgentMessage['verb']]>

/** A message of 64,000 forwards is some 20 MB; a line beyond this ends the connection. */
const longestLine = 256 * 1024 * 1024

/**
 * Listens on `path`. The socket is made with mode 0660 in a directory that only root and the controller's group may
 * enter: connect(2) on it needs write permission, so nobody else can (unix(7)).
 */
export async function serve(path: string, answer: Answer): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    readLines(socket, longestLine, (line) => void reply(socket, line, answer))
  })
  const mask = process.umask(0o117)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  process.umask(mask)
  return server
}

async function reply(socket: Socket, line: string, answer: Answer): Promise<void> {
  const { id, message } = open(line)
  try {
    const result = await answer(readDocument(agentMessage, 'message', message))
    socket.write(`${JSON.stringify({ id, answer: result })}\n`)
  } catch (error) {
    const problem =
      error instanceof Problem ? error : Problem.of('went-wrong', { why: (error as Error).message }, error)
    socket.write(`${JSON.stringify({ id, problem: problem.details() })}\n`)
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

/** What somebody says to the agent who has taken over the controller. */
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Drawbridge } from './drawbridge.ts'

export interface Answer {
  readonly id: number
  readonly answer?: unknown
  readonly problem?: { readonly code: string }
}

/** Sends lines at once and gives as many answers, as they come. */
export function sendLines({ state }: Drawbridge, lines: readonly string[]): Promise<readonly Answer[]> {
  const socket = connect(join(state, 'run', 'agent', 'agent.sock'))
  return new Promise((resolve, reject) => {
    let text = ''
    socket.on('error', reject)
    socket.on('data', (piece) => {
      text += piece
      const answers = text.split('\n').slice(0, -1)
      if (answers.length < lines.length) return
      socket.destroy()
      resolve(answers.map((line) => JSON.parse(line)))
    })
    socket.write(lines.map((line) => `${line}\n`).join(''))
  })
}

/** Messages as the controller sends them; each is answered under its place among them. */
export const tellAgent = (drawbridge: Drawbridge, messages: readonly object[]) =>
  sendLines(
    drawbridge,
    messages.map((message, id) => JSON.stringify({ id, message })),
  )

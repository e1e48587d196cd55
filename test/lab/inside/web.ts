/** A web server for labs without nginx: each page says whom the server sees. */
import { createServer } from 'node:http'
import { plainAddress } from './protocol.ts'

export function serveWeb(port: number, text: string): Promise<void> {
  const server = createServer((request, response) => {
    response
      .setHeader('content-type', 'text/plain')
      .end(`${text} for ${plainAddress(request.socket.remoteAddress)}\n`)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, resolve)
  })
}

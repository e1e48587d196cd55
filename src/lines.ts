/** A stream cut into lines, without copying what has been read for each new piece. */
import type { Socket } from 'node:net'

/** Calls `onLine` for each complete line; a line longer than `longest` bytes destroys the socket. */
export function readLines(socket: Socket, longest: number, onLine: (line: string) => void): void {
  let pieces: Buffer[] = []
  let length = 0
  socket.on('data', (piece: Buffer) => {
    let from = 0
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      const line = Buffer.concat([...pieces, piece.subarray(from, end)]).toString('utf8')
      pieces = []
      length = 0
      from = end + 1
      onLine(line)
    }
    const rest = piece.subarray(from)
    length += rest.length
    if (rest.length > 0) pieces.push(rest)
    if (length > longest) socket.destroy()
  })
}

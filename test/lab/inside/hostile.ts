/**
 * Servers that do one thing to everybody, whatever is asked: a program of its own. Its argument is JSON, for each port what it
 * sends and how. It says `listening` when all do.
 */
import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'

export interface Behaviour {
  readonly protocol?: 'tcp' | 'udp'
  /** latin1 */
  readonly sends: string
  /** `once`; again and again, as fast as it is taken; a byte each 20 ms. */
  readonly how?: 'once' | 'endless' | 'slowly'
  /** Sent only when the other side has sent something. */
  readonly answers?: boolean
  readonly closes?: boolean
}

const behaviours = JSON.parse(process.argv[2] ?? '{}') as Record<string, Behaviour>

function serve(socket: Socket, { sends, how = 'once', answers, closes }: Behaviour): void {
  const bytes = Buffer.from(sends, 'latin1')
  socket.on('error', () => socket.destroy())
  const act = () => {
    if (how === 'endless') pour(socket, bytes)
    else if (how === 'slowly') drip(socket, bytes)
    else if (closes) socket.end(bytes)
    else socket.write(bytes)
  }
  if (answers) socket.once('data', act)
  else act()
  socket.resume()
}

function pour(socket: Socket, bytes: Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(bytes)) {
      // Until it is not taken any more.
    }
  }
  socket.on('drain', more)
  more()
}

function drip(socket: Socket, bytes: Buffer): void {
  let at = 0
  const timer = setInterval(() => {
    socket.write(bytes.subarray(at % bytes.length, (at % bytes.length) + 1))
    at += 1
  }, 20)
  socket.on('close', () => clearInterval(timer))
}

await Promise.all(
  Object.entries(behaviours).map(([port, behaviour]) => {
    if (behaviour.protocol === 'udp') {
      const socket = createSocket('udp4')
      socket.on('message', (_, { port: from, address }) => {
        for (let times = 0; times < (behaviour.how === 'endless' ? 300 : 1); times += 1)
          socket.send(Buffer.from(behaviour.sends, 'latin1'), from, address)
      })
      return new Promise<void>((resolve) => socket.bind(Number(port), resolve))
    }
    const server = createServer({ noDelay: true }, (socket) => serve(socket, behaviour))
    return new Promise<void>((resolve) => server.listen(Number(port), resolve))
  }),
)
process.stdout.write('listening\n')

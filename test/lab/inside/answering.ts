/** Servers that say who they are and whom they see, then echo. */
import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { plainAddress, printAnswer, type Seen, type Verbs } from './protocol.ts'

export interface Answering {
  readonly seen: Seen[]
  readonly stop: () => void
}

type Wanted = Verbs['answer']['takes']
type Listener = (wanted: Wanted, port: number, seen: Seen[]) => Promise<() => void>

/** Binds every port from `first` to `last`; both families, unless an address is given. */
export async function answer(wanted: Wanted): Promise<Answering> {
  const seen: Seen[] = []
  const ports = Array.from({ length: wanted.last - wanted.first + 1 }, (_, index) => wanted.first + index)
  const listen = listeners[wanted.protocol]
  const results = await Promise.allSettled(ports.map((port) => listen(wanted, port, seen)))
  const stops = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const stop = () => {
    for (const one of stops) one()
  }
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) {
    stop()
    throw failed.reason
  }
  return { seen, stop }
}

const listeners: Readonly<Record<Wanted['protocol'], Listener>> = { tcp: listenTcp, udp: listenUdp }

function listenTcp({ identity, address }: Wanted, port: number, seen: Seen[]): Promise<() => void> {
  const open = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    const peer = { port, peer: plainAddress(socket.remoteAddress), peerPort: socket.remotePort ?? 0 }
    seen.push(peer)
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    // A client that resets its connection is nothing to a server.
    socket.on('error', () => {})
    socket.write(`${printAnswer({ identity, ...peer })}\n`)
    socket.pipe(socket)
  })
  const stop = () => {
    server.close()
    for (const socket of open) socket.resetAndDestroy()
  }
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, exclusive: true, ...(address && { host: address }) }, () => resolve(stop))
  })
}

function listenUdp({ identity, address }: Wanted, port: number, seen: Seen[]): Promise<() => void> {
  const socket = createSocket(address && !address.includes(':') ? 'udp4' : 'udp6')
  socket.on('message', (payload, from) => {
    const peer = { port, peer: plainAddress(from.address), peerPort: from.port }
    seen.push(peer)
    const reply = `${printAnswer({ identity, ...peer })} ${payload.toString('latin1')}`
    socket.send(Buffer.from(reply, 'latin1'), from.port, from.address, () => {})
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ port, exclusive: true, ...(address && { address }) }, () => {
      // From here on an error is a port unreachable for one of the answers.
      socket.off('error', reject).on('error', () => {})
      resolve(() => socket.close())
    })
  })
}

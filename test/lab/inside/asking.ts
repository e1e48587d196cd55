/** One question, one answer, over a fresh connection or socket. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, isIPv6, type Socket as TcpSocket } from 'node:net'
import { type Answer, type Destination, parseAnswer, type Verbs, wordFor } from './protocol.ts'

type Exchange = Verbs['exchange']['takes']

export async function ask(to: Destination): Promise<Answer> {
  if (to.protocol === 'udp') return parseAnswer(await exchangeUdp(to, 'ask'))
  const { socket, line } = await greet(to)
  socket.destroy()
  return parseAnswer(line)
}

export function exchange(to: Exchange): Promise<string> {
  return to.protocol === 'udp' ? exchangeUdp(to, to.send) : exchangeTcp(to)
}

function connectTcp({ address, port, from, fromPort }: Destination): TcpSocket {
  const local = { ...(from && { localAddress: from }), ...(fromPort && { localPort: fromPort }) }
  return connect({ host: address, port, noDelay: true, ...local })
}

/** A UDP socket that sends to one place and hears its ICMP errors. */
export function connectUdp({ address, port, from, fromPort }: Destination): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ port: fromPort ?? 0, ...(from && { address: from }) }, () => {
      socket.connect(port, address, (error?: Error) => {
        socket.off('error', reject)
        if (error) reject(error)
        else resolve(socket)
      })
    })
  })
}

/** Connects and waits for the first line that a server of ours says. */
export function greet(to: Destination): Promise<{ socket: TcpSocket; line: string }> {
  const socket = connectTcp(to)
  const giveUp = () => socket.destroy()
  return within(to.timeout, giveUp, (resolve, reject) => {
    let read = ''
    const look = (bytes: Buffer) => {
      read += bytes.toString('latin1')
      if (!read.includes('\n')) return
      socket.off('data', look)
      resolve({ socket, line: read.slice(0, read.indexOf('\n')) })
    }
    // These two stay: whoever goes on with the socket adds more, and an error that nobody hears would end the process.
    socket.on('error', reject)
    socket.on('end', () => reject(new Error('closed')))
    socket.on('data', look)
  })
}

function exchangeTcp(to: Exchange): Promise<string> {
  const socket = connectTcp(to)
  let read = ''
  const giveUp = () => socket.destroy()
  return within(to.timeout, giveUp, (resolve, reject) => {
    socket.on('connect', () =>
      to.halfClose ? socket.end(to.send, 'latin1') : socket.write(to.send, 'latin1'),
    )
    socket.on('data', (bytes) => {
      read += bytes.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('end', () => resolve(read))
  })
}

async function exchangeUdp(to: Destination, send: string): Promise<string> {
  const socket = await connectUdp(to)
  const asked = within<string>(
    to.timeout,
    () => {},
    (resolve, reject) => {
      socket.once('message', (bytes) => resolve(bytes.toString('latin1')))
      socket.on('error', reject)
      socket.send(Buffer.from(send, 'latin1'))
    },
  )
  return asked.finally(() => socket.close())
}

/** Rejects with one of our words: `timeout` after so many milliseconds, or what the system said. */
function within<T>(
  milliseconds: number,
  giveUp: () => void,
  work: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  let over = false
  const fail = (word: string) => {
    if (!over) giveUp()
    reject(new Error(word))
  }
  const timer = setTimeout(() => fail('timeout'), milliseconds)
  work(resolve, (error) => fail(wordFor(error)))
  return promise.finally(() => {
    over = true
    clearTimeout(timer)
  })
}

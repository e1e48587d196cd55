/**
 * One conversation over TCP with somebody who may be hostile: it ends at its deadline whatever the other side does, and no
 * more than `mostBytes` of it are kept.
 */
import { connect, type Socket } from 'node:net'
import { dead, type Outcome } from '../../model/condition.ts'

/** Where a check goes. */
export interface Place {
  readonly address: string
  readonly port: number
  /** Milliseconds for the whole check. */
  readonly timeout: number
}

export interface Talk {
  readonly say: (bytes: Buffer | string) => void
  /** The next so many bytes. */
  readonly bytes: (count: number) => Promise<Buffer>
  /** The next line, without its end; bytes are latin1 characters. */
  readonly line: () => Promise<string>
  /** Whatever comes next; undefined when the other side has closed. */
  readonly some: () => Promise<Buffer | undefined>
}

/** A TCP socket that is on its way, and the event that says that it can be talked through. */
export interface Opening {
  readonly socket: Socket
  readonly ready: 'connect' | 'secureConnect'
}

const mostBytes = 64 * 1024

/** Carries out `work` when the connection stands. What is thrown in it is the outcome where it is an `Ended`. */
export async function talkTo(
  { address, port, timeout }: Place,
  work: (talk: Talk) => Promise<Outcome> | Outcome,
  opening: Opening = openTo(address, port),
): Promise<Outcome> {
  const { socket, ready } = opening
  const inbox = new Inbox()
  const timer = setTimeout(() => inbox.end(dead('silent')), timeout)
  socket.on('error', (error: NodeJS.ErrnoException) => inbox.end(outcomeOf(error)))
  socket.on('data', (bytes: Buffer) => inbox.put(bytes))
  socket.on('end', () => inbox.finish())
  const stands = new Promise<void>((resolve) => socket.once(ready, resolve))
  try {
    await Promise.race([stands, inbox.ended])
    // The kernel connects to an address of this machine from that address itself.
    if (socket.localAddress === socket.remoteAddress) return ownAddress
    return await Promise.race([
      inbox.ended,
      work({ say: (bytes) => void socket.write(bytes), ...inbox.talk }),
    ])
  } catch (error) {
    if (error instanceof Ended) return error.outcome
    throw error
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

export const ownAddress: Outcome = { kind: 'unknown', why: 'it is an address of this gateway' }

function openTo(host: string, port: number): Opening {
  return { socket: connect({ host, port }), ready: 'connect' }
}

class Ended extends Error {
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    super('the conversation has ended')
    this.outcome = outcome
  }
}

/** What has come and has not been taken yet. One taker at a time. */
class Inbox {
  #bytes = Buffer.alloc(0)
  #from = 0
  #to = 0
  /** Up to here there is no end of a line. */
  #searched = 0
  #finished = false
  #look: () => void = () => {}
  #reject: (error: Ended) => void = () => {}
  /** Never resolves. */
  readonly ended = new Promise<never>((_, reject) => {
    this.#reject = reject
  })

  constructor() {
    this.ended.catch(() => {})
  }

  readonly talk: Omit<Talk, 'say'> = {
    bytes: (count) => this.#when(() => (this.#to - this.#from >= count ? this.#take(count) : undefined)),
    line: async () => {
      const line = await this.#when(() => this.#line())
      return line.toString('latin1').replace(/\r?\n$/, '')
    },
    some: async () => {
      const some = await this.#when(() =>
        this.#to > this.#from ? this.#take(this.#to - this.#from) : this.#finished ? nothing : undefined,
      )
      return some === nothing ? undefined : some
    },
  }

  put(bytes: Buffer): void {
    const needed = this.#to + bytes.length
    if (needed > mostBytes) return void this.end(dead('endless'))
    if (needed > this.#bytes.length) this.#grow(needed)
    this.#to += bytes.copy(this.#bytes, this.#to)
    this.#look()
  }

  /** Most checks get a line or nothing at all. What was taken stays where it is. */
  #grow(needed: number): void {
    const larger = Buffer.alloc(Math.max(needed, 2 * this.#bytes.length, 512))
    this.#bytes.copy(larger, 0, 0, this.#to)
    this.#bytes = larger
  }

  finish(): void {
    this.#finished = true
    this.#look()
  }

  end(outcome: Outcome): void {
    this.#reject(new Ended(outcome))
  }

  #take(count: number): Buffer {
    this.#from += count
    return this.#bytes.subarray(this.#from - count, this.#from)
  }

  #line(): Buffer | undefined {
    const end = this.#bytes.subarray(0, this.#to).indexOf('\n', Math.max(this.#searched, this.#from))
    this.#searched = end === -1 ? this.#to : end + 1
    return end === -1 ? undefined : this.#take(end + 1 - this.#from)
  }

  /** What `find` finds, now or when more has come. */
  #when(find: () => Buffer | undefined): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#look = () => {
        const found = find()
        if (found) {
          this.#look = () => {}
          resolve(found)
        } else if (this.#finished) this.end(dead('closed'))
      }
      this.#look()
    })
  }
}

const nothing = Buffer.alloc(0)

/** Errors of this machine rather than of the other one: no descriptor, no port, a firewall of our own (connect(2)). */
const ours = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN', 'EPERM']

export function outcomeOf({ code = '', message }: NodeJS.ErrnoException): Outcome {
  if (ours.includes(code)) return { kind: 'unknown', why: message }
  if (code === 'ECONNREFUSED') return dead('refused')
  if (code === 'ECONNRESET' || code === 'EPIPE') return dead('closed')
  if (code === 'ETIMEDOUT') return dead('silent')
  if (/^E[A-Z]+$/.test(code)) return dead('unreachable', code)
  return dead('tls', message)
}

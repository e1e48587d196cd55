/** Asks a target as a client of this machine would: connections, datagrams and pings, each in bounded time. */
import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ping } from '../../kernel/ping.ts'
import type { Address } from '../../model/address.ts'
import type { Datagram, EndpointExam, Held, Knocks } from '../../model/examination.ts'

/** A SYN that is lost is sent again after a second (RFC 6298): an answer within this is one to the first. */
const patience = 700
/** So long a service may be silent about a connection that it keeps. */
const holding = 600
/** A first few tell most; more tell of loss. */
const [first, more] = [3, 12]
const pause = 25
const pings = 20

type Outcome = Exclude<keyof Knocks, 'milliseconds'>

interface Knock {
  readonly outcome: Outcome
  readonly milliseconds: number
  readonly held: Held | null
}

export async function knock(
  address: Address,
  port: number,
): Promise<{ readonly tcp: Knocks; readonly held: Held | null }> {
  const one = (at: number) => sleep(at * pause).then(() => takesConnection(address.text, port, at === 0))
  const some = await Promise.all(Array.from({ length: first }, (_, at) => one(at)))
  const worth = some.some(({ outcome }) => outcome === 'answers' || outcome === 'silent')
  const alike = some.every(({ outcome }) => outcome === 'silent')
  const all =
    worth && !alike
      ? [...some, ...(await Promise.all(Array.from({ length: more }, (_, at) => one(at + 1))))]
      : some
  return { tcp: summary(all), held: all.find(({ held }) => held !== null)?.held ?? null }
}

/** Whether one connection is taken. */
export async function takesTcp(address: Address, port: number): Promise<boolean> {
  return (await takesConnection(address.text, port, false)).outcome === 'answers'
}

function summary(knocks: readonly Knock[]): Knocks {
  const count = (wanted: Outcome) => knocks.filter(({ outcome }) => outcome === wanted).length
  const answered = knocks.filter(({ outcome }) => outcome === 'answers').map((one) => one.milliseconds)
  return {
    answers: count('answers'),
    refuses: count('refuses'),
    silent: count('silent'),
    unreachable: count('unreachable'),
    forbidden: count('forbidden'),
    milliseconds: middle(answered),
  }
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

const errors: Readonly<Record<string, Outcome>> = {
  ECONNREFUSED: 'refuses',
  EPERM: 'forbidden',
  EACCES: 'forbidden',
  EADDRNOTAVAIL: 'forbidden',
}

/** `hold`: what becomes of the connection when nobody says anything. */
function takesConnection(host: string, port: number, hold: boolean): Promise<Knock> {
  const began = performance.now()
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const done = (outcome: Outcome, held: Held | null = null, milliseconds = performance.now() - began) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ outcome, milliseconds, held })
    }
    const timer = setTimeout(() => done('silent'), patience)
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) => done(errors[code] ?? 'unreachable'))
    socket.once('connect', () => {
      const milliseconds = performance.now() - began
      if (!hold) return done('answers', null, milliseconds)
      clearTimeout(timer)
      void heldBy(socket).then((held) => done('answers', held, milliseconds))
    })
  })
}

function heldBy(socket: Socket): Promise<Held> {
  return new Promise((resolve) => {
    socket.removeAllListeners('error')
    socket.on('error', () => resolve('reset'))
    socket.once('data', () => resolve('speaks'))
    socket.once('end', () => resolve('closed'))
    setTimeout(() => resolve('open'), holding)
  })
}

/** A datagram without a word. A closed port is told by ICMP, which a connected socket hears (RFC 1122, 4.1.3.3). */
export function sendsDatagram(address: Address, port: number): Promise<Datagram> {
  return new Promise((resolve) => {
    const socket = createSocket(address.family === 4 ? 'udp4' : 'udp6')
    const done = (how: Datagram) => {
      clearTimeout(timer)
      socket.close()
      resolve(how)
    }
    const timer = setTimeout(() => done('quiet'), patience)
    const failed = ({ code = '' }: NodeJS.ErrnoException) =>
      done(code === 'ECONNREFUSED' ? 'refused' : code === 'EPERM' ? 'quiet' : 'unreachable')
    socket.on('error', failed)
    socket.once('message', () => done('answers'))
    socket.connect(port, address.text, () => {
      socket.send(Buffer.alloc(0), (error) => {
        if (error) failed(error)
      })
    })
  })
}

/** Many pings in a row; null where this machine may not. */
export async function pingsOften(address: Address): Promise<EndpointExam['pings']> {
  const began: number[] = []
  const heard = await Promise.all(
    Array.from({ length: pings }, async (_, at) => {
      await sleep(at * pause)
      began[at] = performance.now()
      const how = await ping(address, patience)
      return { how, milliseconds: performance.now() - (began[at] ?? 0) }
    }),
  )
  if (heard.some(({ how }) => how === 'forbidden')) return null
  const answered = heard.filter(({ how }) => how === 'answers')
  return {
    sent: heard.length,
    answered: answered.length,
    milliseconds: middle(answered.map((one) => one.milliseconds)),
  }
}

/** RFC 8200 asks 1280 of every link of IPv6; below 576 no link of IPv4 is in use. */
const smallest = { 4: 576, 6: 1280 } as const
const tries = 2

/**
 * The largest packet that comes through whole, up to what the interface takes. Halved until it is known to some bytes; each
 * size is tried twice, as one may be lost by chance.
 */
export async function fitting(address: Address, link: number): Promise<EndpointExam['size']> {
  const fits = async (size: number) => {
    for (let at = 0; at < tries; at += 1) {
      const how = await ping(address, patience / 4, size)
      if (how !== 'silent') return how === 'answers'
    }
    return false
  }
  let [low, high] = [smallest[address.family] as number, link]
  if (await fits(high)) return { fits: high, link }
  if (!(await fits(low))) return null
  for (let left = 6; left > 0 && high - low > 8; left -= 1) {
    const size = (low + high) >> 1
    if (await fits(size)) low = size
    else high = size
  }
  return { fits: low, link }
}

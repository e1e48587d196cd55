/** A conversation that goes on: a numbered line at a steady beat, and a watch on what comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { connectUdp, greet } from './asking.ts'
import { type Answer, type Destination, parseAnswer, type Report } from './protocol.ts'

export interface Streaming {
  readonly answer: Answer
  readonly look: () => Report
  readonly end: () => Promise<Report>
}

type Beat = Destination & { readonly every: number }

/** What is known of a conversation so far; `heard` and `sends` are called for every line. */
class Watch {
  #sent = 0
  #received = 0
  #last = 0
  #inOrder = true
  #longest = 0
  #heardAt = performance.now()
  #end: Report['end'] = 'held'
  #refusals = 0
  readonly #identities = new Set<string>()

  sends(): number {
    this.#sent += 1
    return this.#sent
  }

  heard(number: number, identity: string): void {
    this.#longest = Math.max(this.#longest, performance.now() - this.#heardAt)
    this.#heardAt = performance.now()
    this.#received += 1
    this.#inOrder &&= number === this.#last + 1
    this.#last = number
    this.#identities.add(identity)
  }

  refused(): void {
    this.#refusals += 1
  }

  ends(how: 'reset' | 'closed'): void {
    if (this.#end === 'held') this.#end = how
  }

  get settled(): boolean {
    return this.#received === this.#sent || this.#end !== 'held'
  }

  report(): Report {
    const silent = this.settled ? 0 : performance.now() - this.#heardAt
    return {
      sent: this.#sent,
      received: this.#received,
      inOrder: this.#inOrder,
      longestStall: Math.round(Math.max(this.#longest, silent)),
      end: this.#end,
      refusals: this.#refusals,
      identities: [...this.#identities],
    }
  }
}

export function stream(beat: Beat): Promise<Streaming> {
  return beat.protocol === 'tcp' ? streamTcp(beat) : streamUdp(beat)
}

async function streamTcp(beat: Beat): Promise<Streaming> {
  const { socket, line } = await greet(beat)
  const answer = parseAnswer(line)
  const watch = new Watch()
  let rest = ''
  socket.on('data', (bytes) => {
    const lines = `${rest}${bytes.toString('latin1')}`.split('\n')
    rest = lines.pop() ?? ''
    for (const one of lines) watch.heard(Number(one), answer.identity)
  })
  socket.on('error', () => watch.ends('reset'))
  socket.on('close', () => watch.ends('closed'))
  const beats = every(beat.every, () => {
    if (socket.writable) socket.write(`${watch.sends()}\n`)
  })
  return { answer, look: () => watch.report(), end: () => ending(watch, beats, () => socket.destroy()) }
}

async function streamUdp(beat: Beat): Promise<Streaming> {
  const socket = await connectUdp(beat)
  const watch = new Watch()
  const first = Promise.withResolvers<Answer>()
  socket.on('message', (bytes) => {
    const line = bytes.toString('latin1')
    const answer = parseAnswer(line)
    first.resolve(answer)
    watch.heard(Number(line.split(' ')[4]), answer.identity)
  })
  socket.on('error', () => watch.refused())
  const beats = every(beat.every, () => {
    socket.send(String(watch.sends()), () => {})
  })
  const timer = setTimeout(() => first.reject(new Error('timeout')), beat.timeout)
  const close = () => socket.close()
  try {
    const answer = await first.promise
    return { answer, look: () => watch.report(), end: () => ending(watch, beats, close) }
  } catch (error) {
    clearInterval(beats)
    close()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function every(milliseconds: number, work: () => void): NodeJS.Timeout {
  work()
  return setInterval(work, milliseconds)
}

const lastEcho = 500

/** Lines on their way are waited for, so that what is lost is lost and not only late. */
async function ending(watch: Watch, beats: NodeJS.Timeout, close: () => void): Promise<Report> {
  clearInterval(beats)
  for (let waited = 0; !watch.settled && waited < lastEcho; waited += 10) await sleep(10)
  const report = watch.report()
  close()
  return report
}

/** One question in a datagram, asked again once, and the answers to it until one is right. Nothing but from the place asked counts. */
import { createSocket } from 'node:dgram'
import { dead, type Outcome } from '../../model/condition.ts'
import { outcomeOf, ownAddress, type Place } from './talk.ts'

/** A lost datagram is no dead server. */
const askedAgain = 2
const mostAnswers = 100

/** `judge` gives undefined for an answer that is not to this question. */
export function ask(
  { address, port, timeout }: Place,
  question: Buffer,
  judge: (answer: Buffer) => Outcome | undefined,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    let answers = 0
    const done = (outcome: Outcome) => {
      clearTimeout(timer)
      clearTimeout(again)
      socket.removeAllListeners('message')
      socket.close()
      resolve(outcome)
    }
    const timer = setTimeout(() => done(dead('silent')), timeout)
    const again = setTimeout(() => socket.send(question), timeout / askedAgain)
    socket.once('error', (error) => done(outcomeOf(error)))
    socket.on('message', (answer) => {
      answers += 1
      const outcome = answers > mostAnswers ? dead('endless') : judge(answer)
      if (outcome) done(outcome)
    })
    // A connected socket hears of its one place only, refusals too (udp(7)).
    socket.connect(port, address, () => {
      if (socket.address().address === address) return done(ownAddress)
      socket.send(question)
    })
  })
}

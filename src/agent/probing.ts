/**
 * Whether targets answer, asked from here as this machine would reach them. Only what a forward in force names is asked:
 * who has the controller can learn no more by this than by opening a forward and connecting to it.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Door } from '../kernel/door.ts'
import { ping } from '../kernel/ping.ts'
import type { Way } from '../kernel/ways.ts'
import type { Address } from '../model/address.ts'
import { endpointsOf, type Known } from '../model/endpoints.ts'
import type { Forward } from '../model/forward.ts'
import { mapPort } from '../model/mapping.ts'
import type { Answering, Reach } from '../model/reach.ts'
import type { Holding } from './holding.ts'

/** A host in the next network answers in a millisecond; whoever opens a forward waits no longer than this. */
const patience = 300
const mostTargets = 20

/** What was found of the targets of these forwards, in their order. */
export async function probe(
  door: Door,
  { register: { forwards }, known }: Holding,
  names: readonly string[],
): Promise<readonly Reach[]> {
  const questions = names.flatMap((name) => questionsOf(forwards.get(name), known)).slice(0, mostTargets)
  return Promise.all(questions.map((question) => ask(door, question)))
}

type Question = Pick<Reach, 'forward' | 'address' | 'port'>

/** TCP can be asked; of UDP and of ping it can only be asked whether the host is there. */
function questionsOf(forward: Forward | undefined, known: Known): readonly Question[] {
  if (!forward?.enabled) return []
  const { name, listen } = forward
  return endpointsOf(forward, known).map(({ address, ports }) => {
    const tcp = listen.kind === 'ports' && listen.protocols.includes('tcp')
    return { forward: name, address, port: tcp ? mapPort(ports, listen.ports[0]?.first ?? 0, listen) : null }
  })
}

async function ask(door: Door, question: Question): Promise<Reach> {
  const { address, port } = question
  const way = await door.way(address)
  if (!way) return { ...question, answering: 'no-route', milliseconds: 0, by: '', via: '', outside: false }
  const began = performance.now()
  const heard = port === null ? await asksHost(door, address, way) : await takesConnection(address.text, port)
  const milliseconds = performance.now() - began
  const missing = (heard === 'silent' || heard === 'unreachable') && (await door.neighbour(way)) === 'missing'
  return {
    ...question,
    answering: missing ? 'no-neighbour' : heard,
    milliseconds,
    by: way.interface,
    via: way.next.text === address.text ? '' : way.next.text,
    outside: way.isDefault,
  }
}

function takesConnection(host: string, port: number): Promise<Answering> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const done = (answering: Answering) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answering)
    }
    const timer = setTimeout(() => done('silent'), patience)
    socket.once('connect', () => done('answers'))
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      done(code === 'ECONNREFUSED' ? 'refuses' : 'unreachable'),
    )
  })
}

/** A host that answers no ping, or must not be pinged by us, can still be seen by its neighbour entry. */
async function asksHost(door: Door, address: Address, way: Way): Promise<Answering> {
  const heard = await ping(address, patience)
  if (heard === 'answers') return heard
  if (way.next.text !== address.text) return heard === 'forbidden' ? 'unknown' : 'silent'
  if (heard === 'forbidden') await resolved(door, way)
  const neighbour = await door.neighbour(way)
  if (neighbour === 'there') return 'present'
  return neighbour === 'missing' ? 'no-neighbour' : heard === 'forbidden' ? 'unknown' : 'silent'
}

/** Until the kernel knows, or the time is over. */
async function resolved(door: Door, way: Way): Promise<void> {
  await door.useNeighbour(way)
  for (let waited = 0; waited < patience && (await door.neighbour(way)) !== 'there'; waited += 10)
    await sleep(10)
}

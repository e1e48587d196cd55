/** Whether a target answers, asked as any host would ask it. A target that does not is worth a word, not a refusal. */
import { connect } from 'node:net'
import type { Forward } from '../model/forward.ts'
import { mapPort } from '../model/target.ts'

/** A host in the next network answers in a millisecond; whoever opens a forward waits no longer than this. */
const patience = 300
const mostTargets = 20

/** One sentence for each target of these forwards that does not take a TCP connection. UDP cannot be asked. */
export async function silentTargets(forwards: readonly Forward[]): Promise<readonly string[]> {
  const questions = forwards.slice(0, mostTargets).flatMap(({ name, listen, targets, enabled }) => {
    if (!enabled || listen.kind === 'ping' || !listen.protocols.includes('tcp')) return []
    const first = listen.ports[0]?.first ?? 0
    return targets.map(async ({ address, ports }) => {
      const port = mapPort(ports, first, listen)
      const why = await whySilent(address.text, port)
      return why ? [`${name}: ${address.text} port ${port} ${why}; the forward is open all the same`] : []
    })
  })
  return (await Promise.all(questions)).flat()
}

function whySilent(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const done = (why?: string) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(why)
    }
    const timer = setTimeout(() => done(`did not answer within ${patience / 1000} s`), patience)
    socket.once('connect', () => done())
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      done(reasons[code ?? ''] ?? `cannot be reached (${code})`),
    )
  })
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections, as nothing listens there',
  EHOSTUNREACH: 'cannot be reached: no such host in its network',
  ENETUNREACH: 'cannot be reached: there is no route to it',
}

/** Whether a target answers, as found by asking it, and by which way it is reached. */
import type { Address } from './address.ts'

/** `present`: the host is there, as its neighbour entry says, but was not asked or does not answer ping. `unknown`: nothing could be asked. */
export type Answering =
  | 'answers'
  | 'present'
  | 'refuses'
  | 'silent'
  | 'no-neighbour'
  | 'no-route'
  | 'unreachable'
  | 'unknown'

export interface Reach {
  /** The forward's name. */
  readonly forward: string
  readonly address: Address
  /** The TCP port that was asked; null when the host was asked by ping. */
  readonly port: number | null
  readonly answering: Answering
  readonly milliseconds: number
  /** The interface that the way leaves by, '' when there is no way. */
  readonly by: string
  /** The next router, '' when the target is in a network of this machine. */
  readonly via: string
  /** No route but the default one leads there. */
  readonly outside: boolean
}

/** Whether this is worth a warning rather than a word. */
export function isDead({ answering }: Reach): boolean {
  return !['answers', 'present', 'unknown'].includes(answering)
}

/** `10.0.0.5 port 80 answers (0.4 ms, by in0)` */
export function describeReach(reach: Reach): string {
  const { address, port, answering, milliseconds, by, outside } = reach
  const way = outside ? `by ${by}, the default route` : `by ${by}`
  const subject = port === null ? address.text : `${address.text} port ${port}`
  switch (answering) {
    case 'answers':
      return `${subject} answers${port === null ? ' ping' : ''} (${milliseconds.toFixed(1)} ms, ${way})`
    case 'present':
      return `${subject} is there (${way}), as its network knows`
    case 'unknown':
      return `${subject} was not asked, as pings are not allowed here (net.ipv4.ping_group_range) (${way})`
    case 'refuses':
      return `${subject} refuses connections, as nothing listens there (${way})`
    case 'silent':
      return `${subject} did not answer within 0.3 s (${way})`
    case 'no-route':
      return `${subject} cannot be reached: there is no route to it`
    case 'unreachable':
      return `${subject} cannot be reached: a router on the way or its firewall says so (${way})`
    case 'no-neighbour':
      return noNeighbour(reach, subject)
  }
}

function noNeighbour({ address, via, by }: Reach, subject: string): string {
  const asks = address.family === 4 ? 'ARP' : 'neighbour discovery'
  return via === ''
    ? `${subject} cannot be reached: no such host on ${by}, nobody answers ${asks} for it (switched off, or another VLAN)`
    : `${subject} cannot be reached: its router ${via} on ${by} does not answer ${asks}`
}

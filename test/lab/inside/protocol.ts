/** What the process inside a namespace can be told, one JSON value a line. */

export type Protocol = 'tcp' | 'udp'

/** A numeric address and port, perhaps from a certain address and port of ours; `timeout` in milliseconds. */
export interface Destination {
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  readonly from?: string | undefined
  readonly fromPort?: number | undefined
  readonly timeout: number
}

/** What a server of ours tells whoever asks: who it is, its port, and whom it sees. */
export interface Answer {
  readonly identity: string
  readonly port: number
  readonly peer: string
  readonly peerPort: number
}

export interface Seen {
  readonly port: number
  readonly peer: string
  readonly peerPort: number
}

export interface Report {
  readonly sent: number
  readonly received: number
  /** Every line came back once and in its turn. */
  readonly inOrder: boolean
  /** The longest time without a line coming back, in milliseconds. */
  readonly longestStall: number
  /** How it stands: `held` while the connection lives. UDP has no connection and is always held. */
  readonly end: 'held' | 'reset' | 'closed'
  /** ICMP errors that came back (UDP). */
  readonly refusals: number
  /** Who answered, in the order of their first answer. */
  readonly identities: readonly string[]
}

/** New connections that were made, and those of them that failed. */
export interface Tally {
  readonly asked: number
  /** When, in milliseconds since the first, and why. */
  readonly failures: readonly { readonly at: number; readonly why: string }[]
  /** The longest that one took to be answered, in milliseconds. */
  readonly longest: number
  readonly identities: readonly string[]
}

export interface Verbs {
  readonly ask: { readonly takes: Destination; readonly gives: Answer }
  /** Sends bytes (as latin1 text); gives what comes back until the other side ends, or the first datagram. */
  readonly exchange: {
    readonly takes: Destination & { readonly send: string; readonly halfClose: boolean }
    readonly gives: { readonly received: string }
  }
  readonly answer: {
    readonly takes: {
      readonly protocol: Protocol
      readonly first: number
      readonly last: number
      readonly identity: string
      readonly address?: string | undefined
    }
    readonly gives: { readonly handle: number }
  }
  readonly web: { readonly takes: { readonly port: number; readonly text: string }; readonly gives: null }
  readonly seen: { readonly takes: { readonly handle: number }; readonly gives: readonly Seen[] }
  readonly stop: { readonly takes: { readonly handle: number }; readonly gives: null }
  /** Sends a numbered line every so many milliseconds and watches what comes back. */
  readonly stream: {
    readonly takes: Destination & { readonly every: number }
    readonly gives: { readonly handle: number; readonly answer: Answer }
  }
  readonly look: { readonly takes: { readonly handle: number }; readonly gives: Report }
  readonly end: { readonly takes: { readonly handle: number }; readonly gives: Report }
  /** Makes a TCP connection after the other on so many lanes, with a pause of `every` milliseconds. */
  readonly load: {
    readonly takes: Destination & { readonly lanes: number; readonly every: number }
    readonly gives: { readonly handle: number }
  }
  readonly loadSeen: { readonly takes: { readonly handle: number }; readonly gives: Tally }
  readonly loadEnds: { readonly takes: { readonly handle: number }; readonly gives: Tally }
}

export type Verb = keyof Verbs

export interface Reply {
  readonly id: number
  readonly gives?: unknown
  /** `refused`, `timeout`, `unreachable`, or the system's own word. */
  readonly error?: string
}

export function printAnswer({ identity, port, peer, peerPort }: Answer): string {
  return `${identity} ${port} ${peer} ${peerPort}`
}

export function parseAnswer(line: string): Answer {
  const [identity = '', port, peer = '', peerPort] = line.trim().split(' ')
  return { identity, port: Number(port), peer, peerPort: Number(peerPort) }
}

/** A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '')
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  ETIMEDOUT: 'timeout',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
}

export function wordFor({ code = '', message }: NodeJS.ErrnoException): string {
  return words[code] ?? message
}

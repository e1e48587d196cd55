/** One machine of the lab: a network namespace, and what a test can have done in it. */
import { randomBytes } from 'node:crypto'
import type { Answer, Protocol, Report, Seen, Tally } from './inside/protocol.ts'
import { enter, type Result, type Running, type RunOptions, run, runToEnd, start } from './process.ts'
import { type Resident, startResident } from './resident.ts'

export interface AskOptions {
  readonly protocol?: Protocol
  /** The address to ask from, and the port. */
  readonly from?: string
  readonly fromPort?: number
  /** Milliseconds. */
  readonly timeout?: number
}

interface Answering {
  /** Who has asked so far. */
  seen(): Promise<readonly Seen[]>
  stop(): Promise<void>
}

interface Holding {
  /** What the server said when it was reached. */
  readonly answer: Answer
  /** How the conversation stands. */
  look(): Promise<Report>
  /** Ends it and says how it went. */
  end(): Promise<Report>
}

interface Loading {
  look(): Promise<Tally>
  /** Ends it when the connections on their way are through. */
  end(): Promise<Tally>
}

interface Watching {
  /** Packets that came in and matched so far. */
  count(): Promise<number>
  stop(): Promise<void>
}

export interface Host {
  readonly name: string
  /** Its name for `ip netns`. */
  readonly namespace: string
  readonly ip: string
  readonly ip6: string
  /** `10.0.0.5:80`, as a forward names its target. */
  at(port: number | string): string
  /** `[fd00::5]:80` */
  at6(port: number | string): string
  /** Runs a program to its end and gives stdout; throws with its words unless it exits with 0. */
  run(command: string, args?: readonly string[], options?: RunOptions): Promise<string>
  /** The same, but every exit code is an answer. */
  tries(command: string, args?: readonly string[], options?: RunOptions): Promise<Result>
  /** Starts a program that ends with the lab. */
  spawn(command: string, args?: readonly string[], env?: NodeJS.ProcessEnv): Running
  /** Loads a ruleset. */
  nft(text: string): Promise<void>
  /** Serves a port or a range (`'20000-20100'`) with a server that says its name, its port and whom it sees, and echoes. */
  answers(
    protocol: Protocol,
    ports: number | string,
    options?: { readonly address?: string; readonly identity?: string },
  ): Promise<Answering>
  /** Serves a web page, the same for every path: `text` and the address of whom the server sees. */
  servesWeb(port: number, text: string): Promise<void>
  /** Rejects with `refused`, `timeout` or `unreachable` in its message. */
  asks(address: string, port: number, options?: AskOptions): Promise<Answer>
  /**
   * Sends text and gives what comes back: over TCP all until the other side closes (`halfClose`: ours closes after
   * sending), over UDP one datagram. Bytes are latin1 characters.
   */
  exchanges(
    address: string,
    port: number,
    send: string,
    options?: AskOptions & { readonly halfClose?: boolean },
  ): Promise<string>
  /** Whether one ping is answered. */
  pings(address: string, options?: { readonly from?: string }): Promise<boolean>
  /** Keeps a conversation going, a numbered line every 50 ms unless told otherwise. */
  holds(address: string, port: number, options?: AskOptions & { readonly every?: number }): Promise<Holding>
  /** Makes TCP connections, each counted, four at a time with a pause of `every` milliseconds. */
  loads(address: string, port: number, options?: AskOptions & { readonly every?: number }): Promise<Loading>
  /** Whether something here listens on the port. */
  listens(protocol: Protocol, port: number): Promise<boolean>
  /** Counts packets as they arrive, before any translation. `match` is nft's: `tcp dport 5432`. */
  watches(match: string): Promise<Watching>
  /** A process that lives in the namespace as long as the lab, for who wants to enter it. */
  pid(): number
}

export interface Place {
  readonly name: string
  readonly namespace: string
  readonly ip: string
  readonly ip6: string
}

const patience = 2000

/** `defer` takes what is to be done at the end of the lab. */
export function hostAt(place: Place, defer: (work: () => Promise<void>) => void): Host {
  const { name, namespace, ip, ip6 } = place
  const within = (command: string, args: readonly string[]) => [...enter(namespace), command, ...args]
  let started: Resident | undefined
  const resident = () => {
    if (started) return started
    const fresh = startResident(namespace)
    started = fresh
    defer(() => fresh.end())
    return fresh
  }
  const talk = talkOf(name, resident)
  return {
    ...place,
    ...talk,
    at: (port) => `${ip}:${port}`,
    at6: (port) => `[${ip6}]:${port}`,
    run: (command, args = [], options = {}) => run(within(command, args), options),
    tries: (command, args = [], options = {}) => runToEnd(within(command, args), options),
    spawn: (command, args = [], env = {}) => {
      const running = start(within(command, args), env)
      defer(() => running.end())
      return running
    },
    nft: async (text) => {
      await run(within('nft', ['-f', '-']), { input: text })
    },
    pings: async (address, { from } = {}) => {
      const source = from ? ['-I', from] : []
      // One every second until one is answered.
      const { code } = await runToEnd(within('ping', ['-n', '-q', '-c', '1', '-w', '4', ...source, address]))
      return code === 0
    },
    listens: async (protocol, port) => {
      const kind = protocol === 'tcp' ? '-t' : '-u'
      return (await run(within('ss', ['-H', '-l', '-n', kind, `sport = :${port}`]))).trim() !== ''
    },
    watches: (match) => watch(within, match),
    pid: () => resident().pid,
  }
}

type Talk = Pick<Host, 'answers' | 'servesWeb' | 'asks' | 'exchanges' | 'holds' | 'loads'>

function talkOf(name: string, resident: () => Resident): Talk {
  const destination = (address: string, port: number, options: AskOptions) => ({
    address,
    port,
    protocol: options.protocol ?? 'tcp',
    from: options.from,
    fromPort: options.fromPort,
    timeout: options.timeout ?? patience,
  })
  const told = (what: string) => (error: Error) => {
    throw new Error(`${name} ${what}: ${error.message}`)
  }
  const asking = (address: string, port: number, { protocol = 'tcp', from }: AskOptions) =>
    `asks ${protocol} ${address} port ${port}${from ? ` from ${from}` : ''}`
  return {
    answers: async (protocol, ports, { address, identity = name } = {}) => {
      const [first = 0, last = first] = String(ports).split('-').map(Number)
      const { handle } = await resident()
        .tell('answer', { protocol, first, last, identity, address })
        .catch(told(`answers ${protocol} ${ports}`))
      return {
        seen: () => resident().tell('seen', { handle }),
        stop: async () => void (await resident().tell('stop', { handle })),
      }
    },
    servesWeb: async (port, text) => {
      await resident()
        .tell('web', { port, text })
        .catch(told(`serves the web on ${port}`))
    },
    asks: (address, port, options = {}) =>
      resident()
        .tell('ask', destination(address, port, options))
        .catch(told(asking(address, port, options))),
    exchanges: async (address, port, send, { halfClose = false, ...options } = {}) => {
      const wanted = { ...destination(address, port, options), send, halfClose }
      return (
        await resident()
          .tell('exchange', wanted)
          .catch(told(asking(address, port, options)))
      ).received
    },
    holds: async (address, port, { every = 50, ...options } = {}) => {
      const { handle, answer } = await resident()
        .tell('stream', { ...destination(address, port, options), every })
        .catch(told(asking(address, port, options)))
      return {
        answer,
        look: () => resident().tell('look', { handle }),
        end: () => resident().tell('end', { handle }),
      }
    },
    loads: async (address, port, { every = 5, ...options } = {}) => {
      const { handle } = await resident().tell('load', {
        ...destination(address, port, options),
        lanes: 4,
        every,
      })
      return {
        look: () => resident().tell('loadSeen', { handle }),
        end: () => resident().tell('loadEnds', { handle }),
      }
    },
  }
}

/** A table of its own for each watch, at a priority before connection tracking. */
async function watch(
  within: (command: string, args: readonly string[]) => string[],
  match: string,
): Promise<Watching> {
  const table = `watch_${randomBytes(4).toString('hex')}`
  const chain = 'type filter hook prerouting priority -400;'
  const rules = `table inet ${table} { chain seen { ${chain} ${match} counter\n}\n}`
  await run(within('nft', ['-f', '-']), { input: rules })
  return {
    count: async () => {
      const listed = await run(within('nft', ['list', 'table', 'inet', table]))
      return Number(/counter packets (\d+)/.exec(listed)?.[1])
    },
    stop: async () => void (await run(within('nft', ['delete', 'table', 'inet', table]))),
  }
}

/**
 * CrowdSec's decisions from its local API, as one of its bouncers: the agent is told whom it has banned. Source: the
 * stream of decisions, /v1/decisions/stream in https://crowdsecurity.github.io/api_doc/lapi/.
 */
import type { AgentClient } from '../agent/client.ts'
import type { AgentMessage } from '../agent/protocol.ts'
import { Problem } from '../model/problem.ts'

export interface CrowdSecAccess {
  /** `http://127.0.0.1:8080/` */
  readonly url: string
  readonly key: string
}

interface Decision {
  readonly type: string
  readonly value: string
  /** `3h59m51.5s` */
  readonly duration: string
}

interface Stream {
  readonly new: readonly Decision[] | null
  readonly deleted: readonly Decision[] | null
}

export interface CrowdSec {
  /** Tells the agent all that is known, before it takes the whole gateway: it may have been started anew. */
  tellAll(): Promise<void>
  stop(): void
}

/** A decision acts within two seconds. */
const every = 1000
const patience = 10_000
const by = 'crowdsec'

/** `tell` gets why the API does not answer, once, and null when it does again. */
export function startCrowdSec(
  access: CrowdSecAccess,
  agent: AgentClient,
  tell: (why: string | null) => void,
): CrowdSec {
  /** When each address or network is free again, in milliseconds of a clock that nobody sets. */
  const banned = new Map<string, number>()
  let known = false
  let trouble: string | null = null
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const entries = (addresses: Iterable<string>) =>
    [...addresses].map((address) => ({
      address,
      lasts: Math.max(0, Math.round((banned.get(address) ?? 0) - performance.now())),
    }))

  const tellAll = async () => {
    if (known) await agent.ask({ verb: 'ban', by, whole: true, added: entries(banned.keys()), removed: [] })
  }

  const pull = async () => {
    const { new: added, deleted } = await read(access, !known)
    if (!known) banned.clear()
    const gone = (deleted ?? []).map(({ value }) => value).filter((value) => banned.delete(value))
    const come = (added ?? []).filter(({ type }) => type === 'ban')
    for (const { value, duration } of come) banned.set(value, performance.now() + millisecondsOf(duration))
    const whole = !known
    known = true
    if (whole) return tellAll()
    if (gone.length + come.length === 0) return
    const change = { added: entries(new Set(come.map(({ value }) => value))), removed: gone }
    const { outcome } = await agent.ask({ verb: 'ban', by, whole: false, ...change })
    if (outcome === 'whole-wanted') await tellAll()
  }

  const run = async () => {
    const why = await pull().then(
      () => null,
      (error: Error) => error,
    )
    // What was missed comes with everything: the API remembers what it has sent, not what has arrived.
    if (why) known = false
    const words = why && !(why instanceof Problem) ? why.message : null
    if (words !== trouble) tell(words)
    trouble = words
    if (!stopped) timer = setTimeout(run, every)
  }
  void run()
  return {
    tellAll,
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** An agent that is given the whole gateway is told of the bans before, so that nobody slips in between. */
export function tellingFirst(agent: AgentClient, crowdsec: CrowdSec): AgentClient {
  return {
    ...agent,
    ask: async (message) => {
      if (isWhole(message)) await crowdsec.tellAll()
      return agent.ask(message)
    },
  }
}

function isWhole(message: AgentMessage): boolean {
  return message.verb === 'put' && message.base === null
}

async function read({ url, key }: CrowdSecAccess, startup: boolean): Promise<Stream> {
  const where = new URL(`v1/decisions/stream?startup=${startup}`, url.endsWith('/') ? url : `${url}/`)
  const answer = await fetch(where, {
    headers: { 'x-api-key': key, 'user-agent': 'drawbridge/1' },
    signal: AbortSignal.timeout(patience),
  }).catch((error: Error) => {
    throw new Error(
      `CrowdSec's local API at ${url} does not answer (${(error.cause as Error)?.message ?? error.message})`,
    )
  })
  if (!answer.ok)
    throw new Error(`CrowdSec's local API at ${url} refuses (${answer.status} ${answer.statusText})`)
  return (await answer.json()) as Stream
}

const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const

/** As Go prints a time.Duration. */
function millisecondsOf(duration: string): number {
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)]
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units], 0)
}

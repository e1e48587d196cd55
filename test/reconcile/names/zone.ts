/** A name server that is a table, and who follows its names by a clock that is moved by hand. */
import { describeName } from '../../../src/model/naming.ts'
import type { Answer, Reply, Service } from '../../../src/reconcile/names/asking.ts'
import { type Following, type Remembered, startFollowing } from '../../../src/reconcile/names/following.ts'
import { type HandClock, handClock } from '../clock.ts'

/** Addresses with their TTL, services, or what is wrong. `silent` answers when `waiting` is called, and fails then. */
type Zone = Record<
  string,
  readonly [ttl: number, ...addresses: string[]] | readonly Service[] | 'gone' | 'failed' | 'silent'
>

export interface Scene {
  readonly clock: HandClock
  readonly zone: Zone
  readonly asked: string[]
  readonly changed: (readonly string[])[]
  readonly waiting: (() => void)[]
  /** No question about an IPv6 address is answered well from now on. */
  failSix(): void
  start(remembered?: ReadonlyMap<string, Remembered>): Following
}

const server = '10.0.0.53'

const wrong = (kind: 'gone' | 'none' | 'failed', detail = ''): Reply<never> => ({
  server,
  kind: 'trouble',
  trouble: { kind, detail },
})

function answerOf(zone: Zone, name: string): Answer {
  const found = zone[name] ?? 'gone'
  if (typeof found === 'string') {
    const reply = found === 'gone' ? wrong('gone') : wrong('failed', `SERVFAIL from ${server}`)
    return name.startsWith('srv:')
      ? { kind: 'services', services: reply }
      : { kind: 'addresses', four: reply, six: reply }
  }
  if (name.startsWith('srv:'))
    return { kind: 'services', services: { server, kind: 'records', records: found as readonly Service[] } }
  const [ttl, ...addresses] = found as readonly [number, ...string[]]
  const side = (six: boolean) => {
    const records = addresses.filter((one) => one.includes(':') === six).map((address) => ({ address, ttl }))
    return records.length > 0 ? ({ server, kind: 'records', records } as const) : wrong('none')
  }
  return { kind: 'addresses', four: side(false), six: side(true) }
}

export function scene(): Scene {
  const clock = handClock('2027-01-31T00:00:00Z')
  const zone: Zone = {}
  const asked: string[] = []
  const changed: (readonly string[])[] = []
  const waiting: (() => void)[] = []
  let sixFails = false
  const ask = async (name: string): Promise<Answer> => {
    asked.push(name)
    if (zone[name] === 'silent') {
      await new Promise<void>((resolve) => waiting.push(resolve))
      zone[name] = 'failed'
    }
    const answer = answerOf(zone, name)
    return answer.kind === 'addresses' && sixFails ? { ...answer, six: wrong('failed', 'SERVFAIL') } : answer
  }
  return {
    clock,
    zone,
    asked,
    changed,
    waiting,
    failSix: () => {
      sixFails = true
    },
    start: (remembered = new Map()) =>
      startFollowing({
        ask,
        clock,
        own: async () => new Set(['203.0.113.1']),
        changed: (names) => void changed.push(names),
        remembered,
        chance: () => 0,
      }),
  }
}

export const places = (names: Following, name: string) =>
  names.places(name).map(({ address, port = 0, weight = 1 }) => [address.text, port, weight])
export const texts = (names: Following, name: string) => names.places(name).map(({ address }) => address.text)
export const words = (names: Following, name: string) => names.views([name]).map(describeName).join()

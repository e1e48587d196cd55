/** Who serves what a forward opens of this machine's own. */
import { isEverywhere, isLoopback } from './address.ts'
import type { Forward } from './forward.ts'
import type { Listener } from './listeners.ts'
import { intersect } from './match.ts'
import { type PortRange, printPorts } from './ports.ts'

/** `loopback`: reached from this machine alone; `elsewhere`: at other addresses of it only; `partly`: at some of all. */
export interface Serving {
  readonly forward: Forward
  readonly kind: 'nobody' | 'loopback' | 'elsewhere' | 'partly'
  /** `tcp/5432` */
  readonly what: string
  /** One of those that are meant, where there are any. */
  readonly listener: Listener | null
  /** Where they serve. */
  readonly addresses: readonly string[]
}

interface Known {
  readonly listeners: readonly Listener[]
  /** Ports for this machine's own questions: a UDP socket there is told from a service by nothing, and is not among those. */
  readonly ephemeral: readonly PortRange[]
}

/** What is not as it should be, by protocol. Several ports are in order when one of them is. */
export function servingOf(forward: Forward, { listeners, ephemeral }: Known): readonly Serving[] {
  const { listen } = forward
  if (listen.kind === 'ping') return []
  return listen.protocols.flatMap((protocol): readonly Serving[] => {
    const some = listeners.filter(
      (one) =>
        one.protocol === protocol &&
        listen.ports.some(({ first, last }) => first <= one.port && one.port <= last),
    )
    const what = `${protocol}/${printPorts(listen.ports)}`
    const [listener] = some
    const addresses = [...new Set(some.map(({ address }) => address))]
    const told = { forward, what, listener: listener ?? null, addresses }
    if (!listener) {
      const mayBe = protocol === 'udp' && intersect(listen.ports, ephemeral).length > 0
      return mayBe ? [] : [{ ...told, kind: 'nobody' }]
    }
    const reached = addresses.filter((address) => !isLoopback(address))
    if (reached.length === 0) return [{ ...told, kind: 'loopback' }]
    if (reached.some((address) => isEverywhere(address))) return []
    if (listen.place.kind === 'any') return [{ ...told, kind: 'partly', addresses: reached }]
    const served = listen.place.kind === 'interface' || reached.includes(listen.place.address.text)
    return served ? [] : [{ ...told, kind: 'elsewhere', addresses: reached }]
  })
}

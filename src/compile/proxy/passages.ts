/** The forwards of one proxy as what it has to know of each: where they come in, and the servers they go to. Pure. */
import type { Family } from '../../model/address.ts'
import { allQuarters, type Endpoint, endpointKey, endpointsOf, type Known } from '../../model/endpoints.ts'
import { type Forward, familiesOf } from '../../model/forward.ts'
import type { Numbered } from '../../model/gateway.ts'
import { mapPort } from '../../model/mapping.ts'
import { countPorts, eachPort } from '../../model/ports.ts'
import type { ProxyName, Via } from '../../model/via.ts'

/** Where a server takes connections. `shift` is added to the port of the opening, where there are several. */
export interface Server {
  readonly key: string
  readonly address: string
  readonly port: { readonly kind: 'fixed' | 'shift'; readonly value: number }
  /** From 1 to 256, or 0: it takes nothing new. */
  readonly weight: number
  /** Its health check has found it dead, and nobody is sent there. */
  readonly dead: boolean
}

/** One port of this machine, and the port of the opening that it stands for. */
export interface Entry {
  readonly local: number
  readonly port: number
}

export interface Passage {
  /** `forward_17`: made of its number, as its name is the operator's and no part of a configuration. */
  readonly id: string
  readonly families: readonly Family[]
  readonly entries: readonly Entry[]
  readonly via: Via
  readonly balance: Forward['balance']
  readonly servers: readonly Server[]
  /** Connections to a server that has gone or is dead are to be ended. */
  readonly cuts: boolean
}

/** Of the forwards that are on and go through this proxy, in the order of their numbers. */
export function passagesOf(
  proxy: ProxyName,
  forwards: readonly Numbered[],
  known: Known,
): readonly Passage[] {
  return forwards
    .filter(({ forward }) => forward.enabled && forward.via?.proxy === proxy)
    .sort((a, b) => a.number - b.number)
    .flatMap((numbered) => passageOf(numbered, known))
}

function passageOf({ number, forward }: Numbered, known: Known): Passage[] {
  const { listen, via, balance } = forward
  const entrance = known.entrances.get(forward.name)
  if (listen.kind === 'ping' || !via || !entrance) return []
  const ports = [...eachPort(listen.ports)]
  return [
    {
      id: passageId(number),
      families: familiesOf(forward),
      entries: entrance.ports.flatMap((local, index) => {
        const port = ports[index]
        return port === undefined ? [] : [{ local, port }]
      }),
      via,
      balance,
      servers: serversOf(forward, endpointsOf(forward, known)),
      cuts: forward.onChange === 'cut',
    },
  ]
}

export function passageId(number: number): string {
  return `forward_${number}`
}

function serversOf(forward: Forward, endpoints: readonly Endpoint[]): readonly Server[] {
  const warming = endpoints.some(({ quarters }) => quarters < allQuarters)
  const weightOf = ({ weight, quarters }: Endpoint) => (warming ? weight * quarters : weight)
  const heaviest = Math.max(1, ...endpoints.map(weightOf))
  const noneUp = !endpoints.some(({ state }) => state === 'up')
  return endpoints.map((endpoint) => {
    const { state } = endpoint
    const takes = state === 'up' || (state === 'down' && noneUp && forward.onAllDown === 'keep')
    return {
      key: endpointKey(endpoint, forward.listen),
      address: endpoint.address.text,
      port: portOf(forward, endpoint),
      weight: takes ? scaled(weightOf(endpoint), heaviest) : 0,
      dead: state === 'down' && !takes,
    }
  })
}

/** Both proxies know weights up to 256; those of service records are larger. */
function scaled(weight: number, heaviest: number): number {
  return heaviest <= 256 ? weight : Math.max(1, Math.round((weight * 256) / heaviest))
}

function portOf({ listen }: Forward, { ports }: Endpoint): Server['port'] {
  if (listen.kind === 'ping') return { kind: 'fixed', value: 0 }
  const first = listen.ports[0]?.first ?? 0
  const target = mapPort(ports, first, listen)
  const single = ports.kind === 'all' || countPorts(listen.ports) === 1
  return single ? { kind: 'fixed', value: target } : { kind: 'shift', value: target - first }
}

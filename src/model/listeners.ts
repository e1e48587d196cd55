/** Services of this machine that a forward would hide. */
import { type Family, isEverywhere, isLoopback } from './address.ts'
import { type Forward, familiesOf, isOwn } from './forward.ts'
import { describeHolder, type Holder } from './holder.ts'
import type { Transport } from './listen.ts'
import { targetAt } from './target.ts'

/** A socket of this machine that takes connections or datagrams. `address` is 0.0.0.0 or :: for all addresses. */
export interface Listener {
  readonly protocol: Transport
  readonly address: string
  readonly port: number
  readonly uid: number
}

/** The first service that would not be reached any more, as packets to its port go to the target. */
export function shadowedBy(forward: Forward, listeners: readonly Listener[]): Listener | undefined {
  return isOwn(forward) ? undefined : concernedBy(forward, listeners)
}

/** The first service whose packets the forward decides about: to whom they go, or who may send them. */
export function concernedBy(forward: Forward, listeners: readonly Listener[]): Listener | undefined {
  return listeners.find((listener) => concerns(forward, listener))
}

function concerns(forward: Forward, { protocol, address, port }: Listener): boolean {
  const { listen, enabled } = forward
  if (listen.kind === 'ping' || !enabled) return false
  const { protocols, ports, place } = listen
  if (!protocols.includes(protocol) || !ports.some(({ first, last }) => first <= port && port <= last))
    return false
  if (!servesSome(address, familiesOf(forward))) return false
  return place.kind !== 'address' || isEverywhere(address) || address === place.address.text
}

/** A socket on :: takes IPv4 as well (bindv6only is off by default); loopback is never forwarded. */
function servesSome(address: string, families: readonly Family[]): boolean {
  if (address === '::') return true
  if (isLoopback(address)) return false
  return families.includes(address.includes(':') ? 6 : 4)
}

/** A service that a forward hides, and further ones of the same user. */
export interface Hidden {
  readonly forward: Forward
  readonly listener: Listener
  /** Ports of the further ones. */
  readonly more: readonly number[]
}

/** `redis-server (process 812, user redis), which serves tcp port 6379 here` */
export function describeHidden({ listener, more }: Hidden, holder: Holder | undefined): string {
  const { protocol, port, uid } = listener
  const known = holder ?? { user: `uid ${uid}`, unit: null, program: null, pid: null }
  const first = `${describeHolder(known)}, which serves ${protocol} port ${port} here`
  if (more.length === 0) return first
  const ports = more.length > mostPorts ? `${more.slice(0, mostPorts).join(', ')}, …` : more.join(', ')
  return `${first}, and ${more.length} more of that user's services (${protocol} ${ports})`
}

const mostPorts = 5

/** What becomes of a hidden service, as packets show; `mood` says whether the forward is there already. */
export function describeFate({ forward, listener, more }: Hidden, mood: 'go' | 'would go'): string {
  const target = more.length > 0 ? 'the target' : targetAt(forward, listener.port)
  const would = mood === 'go' ? 'are' : 'would be'
  const goes = `${mood} to ${target} instead`
  const where =
    forward.sources === 'anywhere'
      ? goes
      : `${goes} from the sources that the forward admits, and ${would} dropped from all others`
  return listener.protocol === 'tcp'
    ? `new connections ${where}; those there are now go on`
    : `datagrams ${where}, also those of clients that are being answered now`
}

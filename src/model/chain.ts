/** Targets that are openings of this gateway again. */
import type { Address } from './address.ts'
import { type Forward, familiesOf } from './forward.ts'
import type { Listen, Transport } from './listen.ts'
import type { Openings } from './openings.ts'
import { countPorts, eachPort } from './ports.ts'
import { Problem } from './problem.ts'

/** A packet is translated once: a target that is an opening of this gateway again would lead nowhere, or in a circle. */
export function refuseChain(
  forward: Forward,
  openings: Openings,
  isOurs: (address: Address) => boolean,
): void {
  const { listen } = forward
  if (listen.kind === 'ping') return
  const field = 'to'
  for (const target of forward.targets) {
    if (!isOurs(target.address) && !openings.holds(target.address) && !listensAt(listen, target.address))
      continue
    for (const protocol of listen.protocols) {
      for (const port of portsToward(forward, target)) {
        const next = holderOf(forward, openings, target.address, protocol, port)
        if (!next) continue
        const words = `${protocol}/${port} of ${target.address.text}`
        if (next.name === forward.name || leadsBack(next, forward, openings)) {
          throw Problem.of('loop', { field, path: `${forward.name} -> ${words} -> ${next.name}` })
        }
        throw Problem.of('chained', { field, target: words, holder: next.name })
      }
    }
  }
}

function listensAt(listen: Listen & { kind: 'ports' }, address: Address): boolean {
  return listen.place.kind === 'address' && listen.place.address.text === address.text
}

function* portsToward({ listen }: Forward, { ports }: Forward['targets'][number]): Generator<number> {
  if (listen.kind === 'ping') return
  if (ports.kind === 'same') yield* eachPort(listen.ports)
  else if (ports.kind === 'all') yield ports.port
  else yield* eachPort([{ first: ports.first, last: ports.first + countPorts(listen.ports) - 1 }])
}

/** The forward itself counts as held, whether or not the index has it yet. */
function holderOf(
  forward: Forward,
  openings: Openings,
  address: Address,
  protocol: Transport,
  port: number,
): Forward | undefined {
  const { listen } = forward
  if (listen.kind === 'ports' && listen.protocols.includes(protocol)) {
    const takes = listen.ports.some(({ first, last }) => first <= port && port <= last)
    const meets = listen.place.kind !== 'address' || listen.place.address.text === address.text
    if (takes && meets && familiesOf(forward).includes(address.family)) return forward
  }
  return openings.at(address, protocol, port)
}

function leadsBack(next: Forward, start: Forward, openings: Openings): boolean {
  const seen = new Set<string>()
  for (let at: Forward | undefined = next; at && !seen.has(at.name); ) {
    seen.add(at.name)
    const { listen, targets } = at
    const target = targets[0]
    if (listen.kind === 'ping' || !target) return false
    const port = portsToward(at, target).next().value
    const protocol = listen.protocols[0] ?? 'tcp'
    if (port === undefined) return false
    const following = holderOf(start, openings, target.address, protocol, port)
    if (following?.name === start.name) return true
    at = following
  }
  return false
}

/** forward -> what the firewall of the host is to admit for it. Pure. */
import { type Family, networkOf, type Prefix, printPrefix } from '../model/address.ts'
import type { Allowance } from '../model/allowance.ts'
import type { Entrance } from '../model/endpoints.ts'
import { type Forward, familiesOf, isOwn } from '../model/forward.ts'
import type { PortRange } from '../model/ports.ts'
import { type Lists, prefixesOf } from './elements.ts'

/**
 * Services of this machine, and its proxies: those at the port that the connections of a forward are redirected to, to which
 * our own rules let nothing else come. None of what is translated to other hosts, switched off, or open to nobody.
 * Our own rules have the limits; a firewall needs none.
 */
export function allowancesOf(
  forward: Forward,
  lists: Lists,
  entrance: Entrance | undefined,
): readonly Allowance[] {
  const { name, listen, enabled } = forward
  if (!enabled || listen.kind === 'ping' || !(isOwn(forward) || forward.via)) return []
  const { protocols, place } = listen
  const ports = forward.via ? portsOf(entrance) : listen.ports
  const sources = familiesOf(forward).flatMap((family) => sourcesOf(forward, lists, family))
  return sources.flatMap((source) =>
    protocols.flatMap((protocol) =>
      ports.map((range) => ({
        forward: name,
        protocol,
        ports: range,
        source,
        // What is redirected has the address of the interface that it came by (nf_nat_redirect.c).
        to: place.kind === 'address' && !forward.via ? place.address : null,
        interface: place.kind === 'interface' ? place.name : null,
      })),
    ),
  )
}

function portsOf(entrance: Entrance | undefined): readonly PortRange[] {
  return (entrance?.ports ?? []).map((port) => ({ first: port, last: port }))
}

const everybody = { 4: '0.0.0.0', 6: '::' } as const

/** In as few prefixes as say the same: those that lie in another are left out. */
function sourcesOf({ sources }: Forward, lists: Lists, family: Family): readonly Prefix[] {
  if (sources === 'anywhere') return [{ family, text: everybody[family], length: 0 }]
  const all = prefixesOf(sources, lists).filter((prefix) => prefix.family === family)
  const byText = new Map(all.map((prefix) => [printPrefix(prefix), prefix]))
  const shorter = (length: number) => Array.from({ length }, (_, at) => at)
  return [...byText.values()].filter(
    (prefix) =>
      !shorter(prefix.length).some((length) =>
        byText.has(printPrefix({ ...prefix, text: networkOf(prefix, length), length })),
      ),
  )
}

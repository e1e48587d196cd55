/** forward -> what the firewall of the host is to admit for it. Pure. */
import { type Family, networkOf, type Prefix, printPrefix } from '../model/address.ts'
import type { Allowance } from '../model/allowance.ts'
import { type Forward, familiesOf, isOwn } from '../model/forward.ts'
import { type Lists, prefixesOf } from './elements.ts'

/** None of what is translated, switched off, or open to nobody. Our own rules have the limits; a firewall needs none. */
export function allowancesOf(forward: Forward, lists: Lists): readonly Allowance[] {
  const { name, listen, enabled } = forward
  if (!enabled || !isOwn(forward) || listen.kind === 'ping') return []
  const { protocols, ports, place } = listen
  const sources = familiesOf(forward).flatMap((family) => sourcesOf(forward, lists, family))
  return sources.flatMap((source) =>
    protocols.flatMap((protocol) =>
      ports.map((range) => ({
        forward: name,
        protocol,
        ports: range,
        source,
        to: place.kind === 'address' ? place.address : null,
        interface: place.kind === 'interface' ? place.name : null,
      })),
    ),
  )
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

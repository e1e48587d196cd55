/** Which first packets a rule of another program takes, as far as that can be read from it. */
import type { Family, Prefix } from './address.ts'
import type { Transport } from './listen.ts'
import type { PortRange } from './ports.ts'

export interface Match {
  readonly families: readonly Family[]
  readonly protocols: readonly Transport[]
  /** Destination ports, sorted and disjoint. */
  readonly ports: readonly PortRange[]
  /** Destinations; null: any address. */
  readonly addresses: readonly Prefix[] | null
  /** Names of interfaces, or beginnings of names as `eth*`; `not`: all but these. Null: any. */
  readonly interfaces: { readonly names: readonly string[]; readonly not: boolean } | null
  /** False: it has further conditions, which could not be read. */
  readonly exact: boolean
}

export const allPorts: readonly PortRange[] = [{ first: 0, last: 65535 }]

export function isNever({ families, protocols, ports, addresses }: Match): boolean {
  return families.length === 0 || protocols.length === 0 || ports.length === 0 || addresses?.length === 0
}

export function intersect(a: readonly PortRange[], b: readonly PortRange[]): readonly PortRange[] {
  return a.flatMap((one) =>
    b.flatMap((other) => {
      const [first, last] = [Math.max(one.first, other.first), Math.min(one.last, other.last)]
      return first <= last ? [{ first, last }] : []
    }),
  )
}

export function complement(ranges: readonly PortRange[]): readonly PortRange[] {
  const sorted = [...ranges].sort((a, b) => a.first - b.first)
  const edges = [-1, ...sorted.map(({ last }) => last)]
  return edges.flatMap((after, index) => {
    const [first, last] = [after + 1, (sorted[index]?.first ?? 65536) - 1]
    return first <= last ? [{ first, last }] : []
  })
}

/** Whether some packet may meet both. */
export function overlap(a: Match, b: Match): boolean {
  return (
    a.families.some((family) => b.families.includes(family)) &&
    a.protocols.some((protocol) => b.protocols.includes(protocol)) &&
    intersect(a.ports, b.ports).length > 0 &&
    interfacesMeet(a.interfaces, b.interfaces)
  )
}

/** Of two that are excluded, or of beginnings of names, nothing is concluded. */
function interfacesMeet(a: Match['interfaces'], b: Match['interfaces']): boolean {
  if (!a || !b) return true
  if (a.not && b.not) return true
  if (a.not) return interfacesMeet(b, a)
  const inOther = (name: string) => b.names.some((one) => namesInterface(one, name))
  return b.not ? a.names.some((name) => !inOther(name)) : a.names.some(inOther)
}

/** `eth*` names every interface that begins so. */
export function namesInterface(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

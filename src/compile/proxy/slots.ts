/**
 * Servers of HAProxy have names for as long as it runs, and endpoints come and go: each forward has a few more names than
 * endpoints, and an endpoint keeps the name it has. So a change of endpoints is a change of what names mean, which a running
 * HAProxy takes over its runtime API. Pure.
 */
import type { Passage, Server } from './passages.ts'

/** What each name `s1`, `s2`, … means; null: nothing at the moment. */
export type Slots = readonly (Server | null)[]

export interface Slotted extends Passage {
  readonly slots: Slots
}

/** Names are there by the four, and at least this many beyond what is needed when they are made. */
const spare = 3
const step = 4

/** The names after a change: endpoints that stay keep theirs. More names are made where there are too few. */
export function slotsAfter(before: Slots, servers: readonly Server[]): Slots {
  const wanted = new Map(servers.map((server) => [server.key, server]))
  const kept = before.map((slot) => (slot && wanted.get(slot.key)) ?? null)
  for (const slot of kept) if (slot) wanted.delete(slot.key)
  const fresh = [...wanted.values()]
  const free = kept.filter((slot) => slot === null).length
  const count = fresh.length <= free && kept.length > 0 ? kept.length : roomFor(servers.length)
  const rest = fresh.values()
  return Array.from({ length: count }, (_, at) => kept[at] ?? rest.next().value ?? null)
}

function roomFor(count: number): number {
  return Math.ceil((count + spare) / step) * step
}

/** The commands of HAProxy's runtime API that turn one into the other; undefined: no command can. */
export function commandsBetween(
  { id, cuts }: Pick<Passage, 'id' | 'cuts'>,
  before: Slots,
  after: Slots,
): readonly string[] | undefined {
  if (before.length !== after.length) return undefined
  const lines: string[] = []
  for (const [index, slot] of after.entries()) {
    const former = before[index] ?? null
    const name = `${id}/s${index + 1}`
    const ends = cuts && former && !former.dead && (slot?.key !== former.key || slot.dead)
    if (!slot) {
      if (former && former.weight > 0) lines.push(`set server ${name} weight 0`)
      if (ends) lines.push(`shutdown sessions server ${name}`)
      continue
    }
    // A name whose port follows the opening's cannot become one with a port of its own, nor the other way round.
    if (former && former.port.kind !== slot.port.kind) return undefined
    const moved = former?.address !== slot.address || former.port.value !== slot.port.value
    if (moved) lines.push(`set server ${name} addr ${slot.address} port ${printPort(slot.port)}`)
    if ((former?.weight ?? 0) !== slot.weight) lines.push(`set server ${name} weight ${slot.weight}`)
    if (ends) lines.push(`shutdown sessions server ${name}`)
  }
  return lines
}

/** As HAProxy writes it: `80`, or `+1000` beyond the port that the client came to. */
export function printPort({ kind, value }: Server['port']): string {
  return kind === 'fixed' || value < 0 ? `${value}` : `+${value}`
}

/** Sources, addresses and rules of an exposure in words. */
import ipaddr from 'ipaddr.js'
import type { Family } from '../address.ts'
import { type PortRange, printPorts } from '../ports.ts'
import type { Box } from './box.ts'
import type { Fate } from './fates.ts'
import { everyOf, isAll, type Range, type Ranges, without } from './ranges.ts'
import { describePlace } from './rules.ts'
import { bitsOf } from './scene.ts'

/** Of more networks than this the first are named, and how many more there are. */
const mostNetworks = 8

function portsOf(ranges: Ranges): readonly PortRange[] {
  return ranges.map(({ first, last }) => ({ first: Number(first), last: Number(last) }))
}

export const portWords = (ranges: Ranges) => printPorts(portsOf(ranges))

/** `anywhere`, `198.51.100.0/24, 203.0.113.7` or `anywhere but …`; `universe`: all from where anybody may come. */
export function sourceWords(
  { source, sourcePort }: Pick<Box, 'source' | 'sourcePort'>,
  family: Family,
  universe: Ranges = everyOf(bitsOf[family]),
): string {
  const ports = isAll(sourcePort, 16) ? '' : ` from port ${portWords(sourcePort)}`
  // Where only some networks come at all, those are named.
  const few = !isWide(universe, family)
  const but = without(universe, source)
  if (but.length === 0 && !few) return `anywhere${ports}`
  if (few) return `${networkWords(source, family).text}${ports}`
  const [inside, outside] = [networkWords(source, family), networkWords(but, family)]
  return `${outside.count < inside.count ? `anywhere but ${outside.text}` : inside.text}${ports}`
}

/** More than half of all there are. */
export function isWide(ranges: Ranges, family: Family): boolean {
  return sizeOf(ranges) * 2n > 1n << BigInt(bitsOf[family])
}

const sizeOf = (ranges: Ranges) => ranges.reduce((sum, { first, last }) => sum + last - first + 1n, 0n)

export function networkWords(
  ranges: Ranges,
  family: Family,
): { readonly text: string; readonly count: number } {
  const named: string[] = []
  let count = 0
  for (const range of ranges) {
    if (named.length > mostNetworks) count += 1
    else
      for (const network of networksOf(range, bitsOf[family])) {
        count += 1
        if (named.length < mostNetworks) named.push(printNetwork(network, family))
      }
  }
  const more = count - named.length
  return { text: `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`, count }
}

interface Network {
  readonly first: bigint
  readonly length: number
}

/** The largest networks that fill a range. */
function* networksOf({ first, last }: Range, bits: number): Generator<Network> {
  for (let at = first; at <= last; ) {
    let free = 0
    while (free < bits && (at & (1n << BigInt(free))) === 0n && at + (2n << BigInt(free)) - 1n <= last)
      free += 1
    yield { first: at, length: bits - free }
    at += 1n << BigInt(free)
  }
}

function printNetwork({ first, length }: Network, family: Family): string {
  const text = printAddress(first, family)
  return length === bitsOf[family] ? text : `${text}/${length}`
}

export function printAddress(value: bigint, family: Family): string {
  const bytes = Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex')
  if (family === 4) return bytes.join('.')
  return new ipaddr.IPv6([...bytes]).toRFC5952String()
}

/** Which rule of whom it is by; `by`: of that which is closed also what closes it where that is no rule. */
export function ruleWords({ state, place, packets }: Pick<Fate, 'state' | 'place' | 'packets'>): string {
  if (!place) return 'no rule blocks it'
  const rule = describePlace(place)
  if (state === 'closed') return `blocked by ${rule}`
  if (state === 'unread') return `cannot be read: ${rule}`
  return packets.doubt?.why === 'limit' ? `admitted within limits by ${rule}` : `admitted by ${rule}`
}

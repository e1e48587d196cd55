/** A condition on one field of the packet narrows what a rule takes. Source: nft_cmp.c, nft_range.c, nft_lookup.c. */
import { type Family, isLoopback, networkOf, type Prefix } from '../../model/address.ts'
import type { Transport } from '../../model/listen.ts'
import { complement, intersect, type Match } from '../../model/match.ts'
import type { PortRange } from '../../model/ports.ts'
import { decodeFields } from '../fields.ts'
import { textOf } from '../nfnetlink.ts'
import { interfaceName } from '../rtnetlink.ts'

/** What a register holds. Of a destination address only the first `bits` are compared. */
export type Field =
  | {
      readonly kind: 'protocol' | 'family' | 'port' | 'bothPorts' | 'interface' | 'index' | 'local' | 'other'
    }
  | { readonly kind: 'address'; readonly family: Family; readonly bits: number }
  | { readonly kind: 'value'; readonly bytes: Buffer }

export type Test =
  | { readonly kind: 'among'; readonly values: readonly Buffer[]; readonly not: boolean }
  | { readonly kind: 'within'; readonly spans: readonly Span[]; readonly not: boolean }

export interface Span {
  readonly low: Buffer
  readonly high: Buffer
}

const protocolNumbers = { tcp: 6, udp: 17 } as const satisfies Record<Transport, number>
const familyNumbers = { 4: 2, 6: 10 } as const satisfies Record<Family, number>
const RTN_LOCAL = 2
const mostAddresses = 100

/** What is left of `match` when the field passes the test; of a test that cannot be read, that there is one. */
export function narrow(match: Match, field: Field, test: Test): Match {
  return narrowed(match, field, test) ?? { ...match, exact: false }
}

function narrowed(match: Match, field: Field, test: Test): Match | undefined {
  if (field.kind === 'port') return { ...match, ports: intersect(match.ports, portsOf(test)) }
  if (test.kind === 'within') return undefined
  const { values, not } = test
  const passes = (number: number) => values.some((value) => value.readUInt8(0) === number) !== not
  switch (field.kind) {
    case 'protocol':
      return { ...match, protocols: match.protocols.filter((name) => passes(protocolNumbers[name])) }
    case 'family':
      return { ...match, families: match.families.filter((family) => passes(familyNumbers[family])) }
    case 'bothPorts': {
      // Source and destination in one: of the first nothing is kept but that it is asked for.
      const ports = portsOf({ ...test, values: values.map((value) => value.subarray(2)) })
      return not ? undefined : { ...match, exact: false, ports: intersect(match.ports, ports) }
    }
    case 'local':
      // Forwards take this machine's own addresses alone, so whoever wants those takes all that matters.
      return passes(RTN_LOCAL) ? match : { ...match, families: [] }
    case 'interface':
      return narrowInterfaces(match, values.map(patternOf), not)
    case 'index':
      return narrowInterfaces(match, values.map(nameOf), not)
    case 'address':
      return narrowAddresses(match, field, values, not)
    default:
      return undefined
  }
}

function portsOf(test: Test): readonly PortRange[] {
  const named =
    test.kind === 'within'
      ? test.spans.map(({ low, high }) => ({ first: low.readUInt16BE(), last: high.readUInt16BE() }))
      : test.values.map((value) => ({ first: value.readUInt16BE(), last: value.readUInt16BE() }))
  const ranges = named.sort((a, b) => a.first - b.first)
  return test.not ? complement(ranges) : ranges
}

function narrowInterfaces(match: Match, names: readonly string[], not: boolean): Match | undefined {
  return match.interfaces ? undefined : { ...match, interfaces: { names, not } }
}

/** nft compares the beginning of a name without its closing zero: `"eth*"`. */
function patternOf(bytes: Buffer): string {
  return bytes.includes(0) ? textOf(bytes) : `${bytes.toString('latin1')}*`
}

function nameOf(index: Buffer): string {
  const number = index.readUInt32LE(0)
  return interfaceName(number) ?? `interface ${number}`
}

function narrowAddresses(
  match: Match,
  { family, bits }: Field & { kind: 'address' },
  values: readonly Buffer[],
  not: boolean,
): Match | undefined {
  const families = match.families.filter((one) => one === family)
  const prefixes = values.map((value) => prefixOf(family, bits, value))
  // Loopback is never forwarded; all but loopback is everything.
  if (not && prefixes.every(({ text }) => isLoopback(text))) return { ...match, families }
  if (not || match.addresses || values.length > mostAddresses) return undefined
  return { ...match, families, addresses: prefixes }
}

/** The first bytes of an address, as many as were compared. */
function prefixOf(family: Family, length: number, value: Buffer): Prefix {
  const bytes = Buffer.alloc(family === 4 ? 4 : 16)
  value.copy(bytes)
  const text = decodeFields([family === 4 ? 'ipv4_addr' : 'ipv6_addr'], bytes)
  return { family, text: networkOf({ family, text }, length), length }
}

/** Destination NAT that other programs made, and what it means for a forward of ours. */
import { isLoopback, networkOf } from './address.ts'
import { type Forward, familiesOf, isOwn } from './forward.ts'
import { intersect, type Match, namesInterface } from './match.ts'
import { printPorts } from './ports.ts'
import { targetAt } from './target.ts'

/** Where our own chains stand among those of the same hook (`dstnat - 5`). */
const ourPriority = -105

export interface OthersForward extends Match {
  /** `172.17.0.2:80`, or words where it is no address. */
  readonly to: string
  /** The program, where its rule tells: `Docker`. */
  readonly by: string | null
  readonly where: {
    /** `ip nat` */
    readonly table: string
    readonly chain: string
    /** The kernel's number of the rule, as `nft -a list` shows it. */
    readonly handle: number
    /** Of the base chain by which packets come to it: lower is earlier. */
    readonly priority: number
  }
}

/** All that is seen of it. */
export interface Others {
  readonly forwards: readonly OthersForward[]
  /** So many rules were enough, and the others were not looked at. */
  readonly cutShort: boolean
  /** iptables-legacy has a table of NAT, which cannot be read here. */
  readonly legacy: boolean
}

/** Whose rule sees a packet first; the one that translates it is the only one. */
export type Turn = 'before' | 'after' | 'either'

/** Chains of the same priority are walked in the order in which they were loaded, the latest first. */
export function turnOf({ where }: OthersForward): Turn {
  if (where.priority === ourPriority) return 'either'
  return where.priority < ourPriority ? 'before' : 'after'
}

/** Whether a packet may come that both want. */
export function meets(forward: Forward, other: OthersForward): boolean {
  const { listen, enabled } = forward
  if (!enabled || listen.kind === 'ping') return false
  if (!familiesOf(forward).some((family) => other.families.includes(family))) return false
  if (!listen.protocols.some((protocol) => other.protocols.includes(protocol))) return false
  if (intersect(listen.ports, other.ports).length === 0) return false
  switch (listen.place.kind) {
    case 'any':
      return !other.addresses || other.addresses.some((prefix) => !isLoopback(prefix.text))
    case 'interface':
      return takesInterface(other, listen.place.name)
    case 'address':
      return takesAddress(other, listen.place.address.text)
  }
}

function takesInterface({ interfaces }: OthersForward, name: string): boolean {
  return !interfaces || interfaces.names.some((one) => namesInterface(one, name)) !== interfaces.not
}

function takesAddress({ addresses }: OthersForward, text: string): boolean {
  if (!addresses) return true
  const family = text.includes(':') ? 6 : 4
  return addresses.some(
    (one) => one.family === family && networkOf({ family, text }, one.length) === one.text,
  )
}

/** Who gets which packets when both want them, as packets show; `mood` says whether the forward is there already. */
export function describeMeeting(forward: Forward, other: OthersForward, mood: 'go' | 'would go'): string {
  const { name, listen } = forward
  if (listen.kind === 'ping') return ''
  const protocols = listen.protocols.filter((protocol) => other.protocols.includes(protocol)).join('+')
  const shared = intersect(listen.ports, other.ports)
  const what = `${protocols}/${printPorts(shared)}`
  const may = other.exact
    ? 'is also forwarded'
    : 'may also be forwarded (its rule has conditions that cannot be read)'
  const outcomes = {
    before: 'comes before ours: it takes the packets, and this forward never sees them',
    after: `comes after ours: new connections ${mood} to ${targetAt(forward, shared[0]?.first ?? 0)}, and those it has now go on`,
    either: 'stands where ours does: whichever was loaded last takes the packets',
    alone: 'is the only one that translates: it takes the packets, and the service here never sees them',
  }
  // In the hook of NAT the next chain is asked as long as none has translated (nf_nat_inet_fn).
  const turn = isOwn(forward) && turnOf(other) !== 'before' ? 'alone' : turnOf(other)
  const rule = `${other.by ?? 'another program'} (${describeRule(other)})`
  return `${name}: ${what} ${may} to ${other.to} by ${rule}, whose chain ${outcomes[turn]}`
}

/** `table ip nat, chain DOCKER, rule handle 12` */
export function describeRule({ where }: OthersForward): string {
  return `table ${where.table}, chain ${where.chain}, rule handle ${where.handle}`
}

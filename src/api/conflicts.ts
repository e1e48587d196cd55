/** What else wants the packets of our forwards: services, rules and questions of this machine. Pure. */
import type { Obstacle } from '../model/foreign.ts'
import type { Forward } from '../model/forward.ts'
import type { Holder } from '../model/holder.ts'
import type { Intervals } from '../model/intervals.ts'
import { describeFate, describeHidden, type Hidden, type Listener, shadowedBy } from '../model/listeners.ts'
import { intersect, overlap } from '../model/match.ts'
import { describeMeeting, meets, type Others, type OthersForward, turnOf } from '../model/others.ts'
import { countPorts, type PortRange, printPorts } from '../model/ports.ts'

/** What is known of the machine. */
export interface Surroundings {
  readonly listeners: readonly Listener[]
  readonly others: Others
  readonly obstacles: readonly Obstacle[]
  /** Ports that the kernel takes for the machine's own connections. */
  readonly ephemeral: readonly PortRange[]
  readonly addresses: ReadonlySet<string>
}

/** Beyond these a number is enough. */
export const mostNamed = 20
/** Of one rule that meets thousands of forwards, so many are named. */
const mostOfRule = 3
/** A host with thousands of rules for every port would keep us busy; so many comparisons are enough. */
const mostComparisons = 500_000

export type Mood = 'go' | 'would go'

/** Services that these forwards hide, those of one forward and user together: a service may have a socket for each family. */
export function hiddenBy(forwards: Intervals, listeners: readonly Listener[]): readonly Hidden[] {
  const found = new Map<string, { first: Omit<Hidden, 'more'>; ports: Set<number> }>()
  for (const listener of listeners) {
    for (const forward of forwards.within({ first: listener.port, last: listener.port })) {
      if (!shadowedBy(forward, [listener])) continue
      const key = `${forward.name} ${listener.protocol} ${listener.uid}`
      const group = found.get(key) ?? { first: { forward, listener }, ports: new Set() }
      found.set(key, group)
      group.ports.add(listener.port)
    }
  }
  return [...found.values()].map(({ first, ports }) => ({
    ...first,
    more: [...ports].filter((port) => port !== first.listener.port),
  }))
}

/** `web hides redis-server (…): …` */
export function hidingSentence(hidden: Hidden, holder: Holder | undefined, mood: Mood): string {
  const hides = mood === 'go' ? 'hides' : 'would hide'
  return `${hidden.forward.name} ${hides} ${describeHidden(hidden, holder)}: ${describeFate(hidden, mood)}`
}

interface Met {
  readonly forward: Forward
  readonly other: OthersForward
}

/** Sentences about destination NAT of other programs that these forwards meet. */
export function meetingSentences(
  forwards: Intervals,
  { others, addresses }: Surroundings,
  mood: Mood,
): readonly string[] {
  let left = mostComparisons
  const met: Met[] = []
  for (const other of others.forwards.filter((one) => concerns(one, addresses))) {
    const named = new Set<string>()
    for (const range of other.ports) {
      for (const forward of forwards.within(range)) {
        left -= 1
        if (left < 0 || named.size >= mostOfRule) break
        if (named.has(forward.name) || !meets(forward, other)) continue
        named.add(forward.name)
        met.push({ forward, other })
      }
    }
  }
  return [
    ...met
      .filter((one) => !isPreceded(one, met))
      .map(({ forward, other }) => describeMeeting(forward, other, mood)),
    ...(others.legacy ? [legacySentence] : []),
    ...(others.cutShort || left < 0 ? [cutShortSentence] : []),
  ]
}

/** A forward that never sees a packet takes none from those that come after it either. */
function isPreceded({ forward, other }: Met, met: readonly Met[]): boolean {
  return met.some(
    (one) =>
      one.other !== other &&
      one.forward === forward &&
      one.other.exact &&
      turnOf(one.other) === 'before' &&
      turnOf(other) !== 'before' &&
      overlap(one.other, other),
  )
}

const legacySentence =
  'iptables-legacy has a table of NAT on this machine, which cannot be read: whether it forwards the same ports is not known; see iptables-legacy -t nat -S'
const cutShortSentence =
  'this machine has more rules of NAT than were looked at: whether the others forward the same ports is not known'

/** What is not for an address of this machine never comes to a forward. */
function concerns({ addresses }: OthersForward, ours: ReadonlySet<string>): boolean {
  return (
    !addresses ||
    addresses.some(({ text, length, family }) => length < (family === 4 ? 32 : 128) || ours.has(text))
  )
}

/**
 * TCP and every answer in time belong to a connection that the kernel knows, which no forward takes (measured); what is
 * left is UDP that comes late or from another host.
 */
export function ephemeralSentence(
  { name, listen, enabled }: Forward,
  ephemeral: readonly PortRange[],
): string | undefined {
  if (!enabled || listen.kind === 'ping' || !listen.protocols.includes('udp')) return undefined
  const shared = intersect(listen.ports, ephemeral)
  const few = countPorts(shared)
  if (few === 0) return undefined
  const ports = printPorts(shared)
  const lie = few === 1 ? 'is one' : 'are some'
  return `${name}: udp/${ports} ${lie} of the ports that this machine takes for its own questions: an answer to one that comes from another host than was asked, or after the kernel has forgotten the question (30 s), goes to the target; keep them free with net.ipv4.ip_local_reserved_ports = ${ports}`
}

/** At most `mostNamed`, and how many more there are. */
export function bounded(sentences: readonly string[]): readonly string[] {
  const more = sentences.length - mostNamed
  return more > 0 ? [...sentences.slice(0, mostNamed), `and ${more} more conflicts`] : sentences
}

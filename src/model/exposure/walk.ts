/**
 * Packets through one base chain and all that it leads to. What cannot be read is never taken for closed: where a rule asks
 * something unknown, the packets go on as if it were not met, and a doubtful copy of them goes the rule's way.
 * Source: nft_do_chain() in net/netfilter/nf_tables_core.c.
 */
import type { Box } from './box.ts'
import { narrowingOf, splitBy, splitByRow, together } from './conditions.ts'
import type { Circumstances, Closed, Doubt, Packets } from './packet.ts'
import type { Asked, BaseChain, Filters, Place, Rule, Step, Verdict } from './rules.ts'

export interface Walked {
  readonly accepted: Packets[]
  readonly closed: Closed[]
  /** By a rule of destination NAT. */
  readonly translated: { readonly packets: Packets; readonly place: Place; readonly to: Translation }[]
}

export type Translation = Verdict & { readonly kind: 'translate' }

/** As the kernel allows jumps (NFT_JUMP_STACK_SIZE). */
const deepest = 16

export function walkChain(
  filters: Filters,
  base: BaseChain,
  packets: readonly Packets[],
  circumstances: Circumstances,
): Walked {
  const walked: Walked = { accepted: [], closed: [], translated: [] }
  const left = followChain({ filters, base, circumstances, walked }, base.name, packets, 0)
  const policy: Place = { table: base.table, chain: base.name, handle: 0 }
  if (base.policy === 'accept') walked.accepted.push(...left)
  else if (circumstances.budget.left <= 0)
    walked.accepted.push(...left.map((one) => inDoubt(one, { why: 'unread', place: policy })))
  else walked.closed.push(...left.map((one) => ({ packets: one, place: policy })))
  return walked
}

interface Walking {
  readonly filters: Filters
  readonly base: BaseChain
  readonly circumstances: Circumstances
  readonly walked: Walked
}

/** Gives the packets that come out at its end, or return from it. */
function followChain(walking: Walking, name: string, packets: readonly Packets[], depth: number): Packets[] {
  const { filters, base, circumstances, walked } = walking
  const chain = filters.chains[`${base.table} ${name}`]
  const returned: Packets[] = []
  let here = packets
  let place: Place = { table: base.table, chain: name, handle: 0 }
  for (const rule of chain?.rules ?? []) {
    if (here.length === 0 || circumstances.budget.left <= 0) break
    place = { table: base.table, chain: name, handle: rule.handle }
    here = followRule(walking, rule, place, here, returned, depth)
  }
  if (!chain || circumstances.budget.left <= 0) {
    walked.accepted.push(...here.map((one) => inDoubt(one, { why: 'unread', place })))
    return returned
  }
  return [...returned, ...here]
}

/** The first doubt is the one that tells. */
function inDoubt(packets: Packets, doubt: Doubt | null): Packets {
  return packets.doubt?.why === 'unread' || !doubt ? packets : { ...packets, doubt }
}

/** Gives those that go on to the next rule. */
function followRule(
  walking: Walking,
  rule: Rule,
  place: Place,
  packets: readonly Packets[],
  returned: Packets[],
  depth: number,
): Packets[] {
  const { circumstances } = walking
  const on: Packets[] = []
  let matched = packets
  let doubt: Doubt | null = null
  const named = rule.steps.some(asksPort)
  const act = (verdict: Verdict, parts: readonly Packets[], unsure: Doubt | null) => {
    const acting = parts.map((one) => inDoubt(one, unsure))
    on.push(...followVerdict(walking, { verdict, place, named, unsure, returned, depth }, acting))
  }
  // Tests that are one box each are taken together: fewer pieces of packets are left over.
  let asked: Partial<Box> | undefined = {}
  const settle = () => {
    const { inside, outside } = splitBy(matched, asked ? [asked] : [], circumstances)
    on.push(...outside)
    matched = inside
    asked = {}
  }
  for (const step of rule.steps) {
    if (step.kind === 'test') {
      const narrowing = narrowingOf(step, circumstances)
      if (!narrowing.sure && doubt?.why !== 'unread') doubt = { why: whyUnsure(step), place }
      if (narrowing.kind === 'part') asked = asked && together(asked, narrowing.box)
      else {
        settle()
        const { inside, outside } = splitBy(matched, narrowing.parts, circumstances)
        on.push(...(narrowing.not ? inside : outside))
        matched = narrowing.not ? outside : inside
      }
    } else if (step.kind === 'doubt') {
      if (doubt?.why !== 'unread') doubt = { why: step.why, place }
    } else if (step.kind === 'branch') {
      settle()
      for (const { row, verdict } of step.rows) {
        const { inside, outside, sure } = splitByRow(matched, step.asked, row, circumstances)
        act(verdict, inside, sure ? doubt : { why: whyUnsure(step), place })
        // Another row may be the one, or none.
        if (!sure) continue
        if (doubt) on.push(...inside)
        matched = outside
      }
    } else if (step.kind === 'verdict') {
      settle()
      act(step.verdict, matched, doubt)
      if (doubt) on.push(...matched)
      matched = []
    }
    if (!asked || matched.length === 0) break
  }
  settle()
  return [...on, ...matched]
}

const whyUnsure = ({ asked }: { readonly asked: readonly Asked[] }): Doubt['why'] =>
  asked.some(({ field }) => field === 'free') ? 'limit' : 'unread'

function asksPort(step: Step): boolean {
  return (step.kind === 'test' || step.kind === 'branch') && step.asked.some(({ field }) => field === 'port')
}

interface Acting {
  readonly verdict: Verdict
  readonly place: Place
  readonly named: boolean
  /** Why it is not certain that the rule is met; then the same packets have gone on as well. */
  readonly unsure: Doubt | null
  readonly returned: Packets[]
  readonly depth: number
}

/** Gives those that come back to the chain behind the rule. */
function followVerdict(
  walking: Walking,
  { verdict, place, named, unsure, returned, depth }: Acting,
  packets: readonly Packets[],
): readonly Packets[] {
  const { walked } = walking
  switch (verdict.kind) {
    case 'accept':
      // What a chain of NAT leaves alone, or masquerades, is not let in by it.
      if (walking.base.type === 'nat') walked.accepted.push(...packets)
      else walked.accepted.push(...packets.map((one) => ({ ...one, admitted: place, named })))
      return []
    case 'queue':
      walked.accepted.push(...packets.map((one) => inDoubt(one, { why: 'unread', place })))
      return []
    case 'drop':
    case 'reject':
      walked.closed.push(...packets.map((one) => ({ packets: one, place })))
      return []
    case 'translate':
      walked.translated.push(...packets.map((one) => ({ packets: one, place, to: verdict })))
      return []
    case 'return':
      returned.push(...packets)
      return []
    default: {
      if (packets.length === 0 || depth >= deepest) return packets
      const back = followChain(walking, verdict.chain, packets, depth + 1)
      if (verdict.kind === 'goto') returned.push(...back)
      // Those in doubt have gone on behind the rule already.
      return verdict.kind === 'goto' || unsure ? [] : back
    }
  }
}

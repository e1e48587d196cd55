/** Steps as the kernel tells them -> the way of a packet: where it came in, who judged it, what was rewritten, where it left. */
import { withPort } from '../address.ts'
import { programOf } from '../exposure/rules.ts'
import { ends, type Header, isProbeStep, type Probe, type TraceStep } from './step.ts'

/** `there`: from the source to the target; `back`: what came from there. */
type Direction = 'there' | 'back'

export type Hop = { readonly way: Direction } & (
  | { readonly kind: 'arrived'; readonly interface: string }
  | ({ readonly kind: 'judged' } & Judgement)
  | {
      readonly kind: 'rewritten'
      readonly what: 'destination' | 'source'
      readonly from: string
      readonly to: string
    }
  /** To others, or to a program of this machine. */
  | { readonly kind: 'left'; readonly interface: string }
  | { readonly kind: 'delivered' }
)

/** What became of a packet in a chain that the kernel calls, and in those it leads to. */
export interface Judgement {
  /** `ip filter` */
  readonly table: string
  /** The chain that the kernel called, and where. */
  readonly base: string
  readonly hook: string
  readonly priority: number
  /** The chain in which it was decided. */
  readonly chain: string
  /** 0: by the policy of the chain. */
  readonly handle: number
  /** The rule as its operator would write it; '' when it cannot be told, or for a policy. */
  readonly rule: string
  /** Whose it is; '' of a policy that nobody has set. */
  readonly owner: string
  readonly verdict: 'accept' | 'drop' | 'queue'
}

/** What has to be known of a chain and its table beside the steps. */
export interface Scene {
  readonly hook: (
    table: string,
    chain: string,
  ) => { readonly name: string; readonly priority: number } | undefined
  readonly rule: (table: string, chain: string, handle: number) => string
  /** The programs that have chains in a table. */
  readonly programs: (table: string) => readonly string[]
}

/** The steps of one packet between the moment it comes to a base chain and the next. */
export interface Walk {
  readonly header: Header
  readonly steps: readonly TraceStep[]
}

function walksOf(steps: readonly TraceStep[]): readonly Walk[] {
  const walks: { header: Header; steps: TraceStep[] }[] = []
  for (const step of steps) {
    if (step.header) walks.push({ header: step.header, steps: [step] })
    else walks.at(-1)?.steps.push(step)
  }
  return walks
}

/** A packet that is answered again comes a second later. */
const soon = 100

/**
 * The packet that was sent, and the first that came back for it. One that comes by a port of a bridge which filters
 * (br_netfilter) has another name afterwards, as that counts the interface in.
 */
export function packetsOf(
  steps: readonly TraceStep[],
  { source, sourcePort }: Probe,
): { readonly there: readonly Walk[]; readonly back: readonly Walk[] } {
  const byPacket = [...Map.groupBy(steps, ({ packet }) => packet).values()].map(walksOf)
  const isSent = (walks: readonly Walk[]) => {
    const header = walks[0]?.header
    return header?.source === source && header.sourcePort === sourcePort && !header.error
  }
  const answers = byPacket.filter((walks) => !isSent(walks))
  const first = answers[0]?.[0]
  const isFirst = ([walk]: readonly Walk[]) =>
    walk !== undefined &&
    first !== undefined &&
    isSame(walk.header, first.header) &&
    timeOf(walk) - timeOf(first) < soon
  return { there: byPacket.find(isSent) ?? [], back: answers.filter(isFirst).flat() }
}

const timeOf = ({ steps }: Walk) => steps[0]?.at ?? 0

function isSame(one: Header, other: Header): boolean {
  return (
    one.protocol === other.protocol &&
    one.tcp?.sequence === other.tcp?.sequence &&
    one.tcp?.flags === other.tcp?.flags &&
    one.error?.type === other.error?.type
  )
}

export function hopsOf(walks: readonly Walk[], way: Direction, scene: Scene): readonly Hop[] {
  const hops: Hop[] = []
  const [first] = walks
  if (!first) return hops
  const came = first.steps[0]?.in ?? ''
  if (came !== '') hops.push({ way, kind: 'arrived', interface: came })
  let before = first.header
  for (const { header, steps } of walks) {
    hops.push(...rewritten(before, header).map((one) => ({ way, kind: 'rewritten' as const, ...one })))
    before = header
    const judged = isProbeStep(steps[0] ?? { table: '' }) ? undefined : judgementOf(steps, scene)
    if (judged) hops.push({ way, kind: 'judged', ...judged })
  }
  const last = walks.at(-1)?.steps ?? []
  const end = last.at(-1)
  if (end && isEnd(end, ends.postrouting)) hops.push({ way, kind: 'left', interface: last[0]?.out ?? '' })
  if (end && isEnd(end, ends.input)) hops.push({ way, kind: 'delivered' })
  return hops
}

function isEnd(step: TraceStep, chain: string): boolean {
  return isProbeStep(step) && step.chain === chain
}

function rewritten(before: Header, now: Header) {
  const place = (address: string, port: number, { protocol }: Header) =>
    protocol === 'tcp' || protocol === 'udp'
      ? withPort({ family: address.includes(':') ? 6 : 4, text: address }, String(port))
      : address
  const destinations = [before, now].map((one) => place(one.destination, one.port, one)) as [string, string]
  const sources = [before, now].map((one) => place(one.source, one.sourcePort, one)) as [string, string]
  const change = (what: 'destination' | 'source', [from, to]: [string, string]) =>
    from === to ? [] : [{ what, from, to }]
  return [...change('destination', destinations), ...change('source', sources)]
}

function judgementOf(steps: readonly TraceStep[], scene: Scene): Judgement | undefined {
  const [first, end] = [steps[0], steps.at(-1)]
  if (!first || !end) return undefined
  // The base chain is that of the policy, or of the first rule that was met.
  const base = steps.find(({ table, chain }) => scene.hook(table, chain) !== undefined)?.chain ?? first.chain
  const at = scene.hook(end.table, base)
  // What no rule of ours concerns has nothing to do with it.
  if (ownTables.has(end.table) && end.handle === 0) return undefined
  const verdict = end.verdict === 'drop' ? 'drop' : end.verdict === 'queue' ? 'queue' : 'accept'
  const rule = end.handle === 0 ? '' : scene.rule(end.table, end.chain, end.handle)
  return {
    table: end.table,
    base,
    hook: at?.name ?? '',
    priority: at?.priority ?? 0,
    chain: end.chain,
    handle: end.handle,
    rule,
    owner: ownerOf({ ...end, rule }, base, scene.programs(end.table), verdict),
    verdict,
  }
}

const byHand = 'by hand'
const ownTables: ReadonlySet<string> = new Set(['inet drawbridge', 'inet drawbridge_anchor'])

/** Chains of firewalld's iptables backend, and the rules that it has in base chains. */
const firewalldChain = /^(IN|FWD[IO]?|PRE|POST)_|_(ZONES|direct|POLICIES_pre|POLICIES_post)$/
const firewalldRule = /--ctstate |^-A \S+ -j REJECT|-i lo /

/** ufw has nothing but jumps in base chains. Docker's rules there name its bridges. */
function ownerOf(
  { table, chain, handle, rule }: Pick<TraceStep, 'table' | 'chain' | 'handle'> & { readonly rule: string },
  base: string,
  programs: readonly string[],
  verdict: Judgement['verdict'],
): string {
  if (ownTables.has(table)) return 'Drawbridge'
  const program = programOf({ table, chain })
  if (program) return program
  if (handle === 0) return verdict === 'accept' ? '' : programs.join(' or ') || byHand
  if (/\bdocker\d|\bbr-[0-9a-f]{12}\b/.test(rule)) return 'Docker'
  if (!programs.includes('firewalld')) return byHand
  const theirs = chain === base ? firewalldRule.test(rule) : firewalldChain.test(chain)
  return theirs ? 'firewalld' : byHand
}

/** Chains of other programs, and what the programs beside us do with forwarded packets. */
import { type Bridge, describeBridge } from './bridge.ts'
import { type Mark, printMark } from './gateway.ts'
import type { ProxyName } from './via.ts'

export interface ForeignChain {
  readonly family: 'inet' | 'ip' | 'ip6'
  readonly table: string
  readonly name: string
  /** Null: packets come to it from other chains only. */
  readonly base: {
    readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
    readonly priority: number
    readonly type: string
    /** Its policy drops what no rule of it decides. */
    readonly drops: boolean
    /** On the forward hook, what becomes of packets there that no condition concerns; null: they pass. */
    readonly ending: 'policy drop' | 'its last rule drops' | null
    /** Which connections it accepts all the same, in whatever direction. */
    readonly admits: readonly Admission[]
  } | null
}

/** Those with this mark, or all whose destination was translated. */
export type Admission = { readonly kind: 'mark'; readonly mark: Mark } | { readonly kind: 'forwarded' }

/** Connections of forwards come to nothing in this chain. */
export function blocks({ base }: ForeignChain, mark: Mark): boolean {
  return base !== null && base.ending !== null && !base.admits.some((one) => includes(one, mark))
}

function includes(admission: Admission, { value, mask }: Mark): boolean {
  if (admission.kind === 'forwarded') return true
  const asked = admission.mark
  return (asked.mask & ~mask) === 0 && (value & asked.mask) >>> 0 === asked.value
}

/** `table ip filter, chain FORWARD` */
export function printChain({ family, table, name }: ForeignChain): string {
  return `table ${family} ${table}, chain ${name}`
}

/** A neighbour: other software that writes firewall rules here. */
export interface NeighbourView {
  readonly name: string
  readonly version: string | null
  readonly active: boolean
  /** What of it would drop forwarded packets; null: nothing. */
  readonly drops: string | null
  /** Where connections of forwards are let through; null: they are not, or need not be. */
  readonly through: string | null
  /** Why they could not be let through; '' when they could. */
  readonly trouble: string
  /** How those of its rules are told that admit services opened here; null: there are none. */
  readonly admits: string | null
  /** What else is to be known of it while it is active. */
  readonly note: string | null
}

/** One sentence for each. */
export function describeNeighbour(view: NeighbourView): string {
  const { name, version, active, admits, note } = view
  const who = version === null ? name : `${name} ${version}`
  if (!active) return `${who} is installed and not active`
  const more = [
    ...(admits === null ? [] : [`it admits services opened here by ${admits}`]),
    ...(note === null ? [] : [note]),
  ]
  return [`${who} is active and ${describeEffect(view)}`, ...more].join('; ')
}

function describeEffect({ drops, through, trouble }: NeighbourView): string {
  if (drops === null) return 'lets forwarded packets pass'
  const does = `drops forwarded packets (${drops})`
  if (trouble !== '') return `${does}; connections of forwards could not be let through: ${trouble}`
  return through === null ? does : `${does}; connections of forwards are let through in ${through}`
}

/** What is in the way of forwards, or will be, and is nobody's to mend but the operator's. */
export type Obstacle =
  | { readonly kind: 'chain'; readonly chain: ForeignChain; readonly mark: Mark }
  /** What a neighbour has not been given, of one forward or of all. */
  | {
      readonly kind: 'unadmitted'
      readonly neighbour: string
      readonly forward: string | null
      readonly why: string
    }
  | { readonly kind: 'bridge'; readonly bridge: Bridge }
  /** A proxy that does not run as its forwards want it, or that ended by itself. */
  | { readonly kind: 'proxy'; readonly proxy: ProxyName; readonly words: string }
  | { readonly kind: 'certificate'; readonly proxy: ProxyName; readonly words: string }
  | {
      readonly kind: 'proxy-died'
      readonly proxy: ProxyName
      readonly why: string
      readonly at: string
      readonly running: boolean
    }
  | { readonly kind: 'saved'; readonly file: string; readonly holds: 'table' | 'anchor' | 'rule' }

export function describeObstacle(obstacle: Obstacle): string {
  if (obstacle.kind === 'saved') return `${obstacle.file} ${savedSentences[obstacle.holds]}`
  if (obstacle.kind === 'bridge') return describeBridge(obstacle.bridge)
  if (obstacle.kind === 'unadmitted') {
    const { neighbour, forward, why } = obstacle
    return forward === null
      ? `${neighbour} could not be asked to admit the services opened here: ${why}`
      : `${forward} is not admitted by ${neighbour}: ${why}`
  }
  if (obstacle.kind === 'proxy-died') {
    const { proxy, why, at, running } = obstacle
    return `${proxy} ended by itself at ${at} (${why}) and ${running ? 'was started again' : 'is being started again'}`
  }
  if (obstacle.kind === 'proxy')
    return `${obstacle.proxy} does not serve its forwards as they are wanted, and goes on as it was: ${obstacle.words}`
  if (obstacle.kind === 'certificate')
    return `a forward through ${obstacle.proxy} has no certificate, or keeps its last one: ${obstacle.words}`
  const { chain, mark } = obstacle
  const what = chain.base?.ending ?? ''
  return `${printChain(chain)} drops forwarded packets that no rule of it accepts (${what}), those of forwards too; this admits them and nothing else: ${admission(chain, mark)}`
}

/** In a table of iptables a rule of nft would make iptables itself fail. */
export function admission(
  { family, table, name }: Pick<ForeignChain, 'family' | 'table' | 'name'>,
  mark: Mark,
): string {
  const [value, mask] = printMark(mark).split('/')
  if (family === 'inet' || table !== 'filter' || name !== 'FORWARD') {
    return `nft insert rule ${family} ${table} ${name} ct mark and ${mask} == ${value} accept`
  }
  return `${family === 'ip' ? 'iptables' : 'ip6tables'} -I FORWARD -m connmark --mark ${value}/${mask} -j ACCEPT`
}

const savedSentences = {
  table:
    'holds a copy of table inet drawbridge, which would put forwards of the past in force for a moment: take that table out of the file',
  anchor:
    'holds a copy of table inet drawbridge_anchor and cannot be loaded while Drawbridge runs ("Operation not permitted"), not the rest of it either: take the tables inet drawbridge and inet drawbridge_anchor out of the file',
  rule: 'holds a copy of a rule of Drawbridge, which would stay when Drawbridge has gone: take the line with the comment "drawbridge" out of the file',
} as const satisfies Record<(Obstacle & { kind: 'saved' })['holds'], string>

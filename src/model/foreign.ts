/** Chains of other programs, and what the programs beside us do with forwarded packets. */

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
  } | null
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
}

/** A sentence about one that is active. */
export function describeNeighbour({ name, version, drops, through, trouble }: NeighbourView): string {
  const who = version === null ? name : `${name} ${version}`
  if (drops === null) return `${who} is active and lets forwarded packets pass`
  const does = `${who} is active and drops forwarded packets (${drops})`
  if (trouble !== '') return `${does}; connections of forwards could not be let through: ${trouble}`
  return through === null ? does : `${does}; connections of forwards are let through in ${through}`
}

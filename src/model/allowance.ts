/** What the firewall of the host is asked to admit for a service that is opened here: one rule of a neighbour each. */
import type { Address, Prefix } from './address.ts'
import type { Transport } from './listen.ts'
import type { PortRange } from './ports.ts'

export interface Allowance {
  /** The forward that it is for. */
  readonly forward: string
  readonly protocol: Transport
  readonly ports: PortRange
  /** Who may connect; everybody of a family is a prefix of length 0. */
  readonly source: Prefix
  /** The one address of this machine that it is open at; null: any. */
  readonly to: Address | null
  /** The one interface that it is open at; null: any. */
  readonly interface: string | null
}

/** Why a neighbour has not been given what a forward needs. */
export interface Unadmitted {
  readonly forward: string
  readonly why: string
}

/** A rule each in a program that takes its time for one, and in a page that a person reads. */
const mostOfForward = 64
const mostOfAll = 256

export interface Share {
  readonly allowances: readonly Allowance[]
  readonly unadmitted: readonly Unadmitted[]
}

/** What one neighbour can be given: a forward whole or not at all, as a part of its sources, or all, is not what was asked. */
export function shareOf(wanted: readonly Allowance[]): Share {
  const allowances: Allowance[] = []
  const unadmitted: Unadmitted[] = []
  for (const [forward, some] of Map.groupBy(wanted, (one) => one.forward)) {
    if (some.length > mostOfForward)
      unadmitted.push({ forward, why: `it needs ${some.length} rules, and ${mostOfForward} are the most` })
    else if (allowances.length + some.length > mostOfAll)
      unadmitted.push({ forward, why: `there are ${mostOfAll} rules for others already, which are the most` })
    else allowances.push(...some)
  }
  return { allowances, unadmitted }
}

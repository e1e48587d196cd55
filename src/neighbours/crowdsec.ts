/**
 * CrowdSec's decisions in the kernel, as crowdsec-firewall-bouncer puts them there in its mode `nftables`: sets of the
 * tables `ip crowdsec` and `ip6 crowdsec6` whose elements have timeouts, `crowdsec-blacklists` in older versions, one for
 * each origin (`crowdsec-blacklists-CAPI`) in newer ones, and by the same names in its mode `iptables`, which uses ipset.
 */
import type { Place } from '../kernel/denials/places.ts'

export const interest = { tables: ['crowdsec'], chains: [], ipsets: ['crowdsec'] } as const

/** `crowdsec` or `crowdsec (CAPI)`; undefined when the place is not its. */
export function banner({ kind, table, name }: Place): string | undefined {
  if (kind === 'chain' || kind === 'told' || !(kind === 'set' ? table : name).startsWith('crowdsec'))
    return undefined
  const origin = /^crowdsec6?-blacklists-(.+)$/.exec(name)?.[1]
  return origin ? `crowdsec (${origin})` : 'crowdsec'
}

/**
 * Fail2Ban's bans in the kernel. Source: action.d/nftables.conf (sets `addr-set-NAME` and `addr6-set-NAME` of the table
 * `f2b-table`), action.d/iptables.conf (chains `f2b-NAME`, a rule for each address) and action.d/iptables-ipset*.conf
 * (`f2b-NAME`, and `f2b-NAME6` for IPv6) of Fail2Ban 0.11 to 1.1; NAME is the jail unless its action says otherwise.
 */
import type { Place } from '../kernel/denials/places.ts'

export const interest = { tables: ['f2b-'], chains: ['f2b-'], ipsets: ['f2b-', 'fail2ban-'] } as const

/** `fail2ban (sshd)`; undefined when the place is not its. */
export function banner({ kind, family, table, name }: Place): string | undefined {
  const beginning = /^(f2b-|fail2ban-)/
  if (!beginning.test(kind === 'set' ? table : name)) return undefined
  const jail = name.replace(kind === 'set' ? /^addr6?-set-/ : beginning, '')
  return `fail2ban (${kind === 'ipset' && family === 'ip6' ? jail.replace(/6$/, '') : jail})`
}

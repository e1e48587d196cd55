/**
 * Fail2Ban's bans in the kernel. Source: action.d/nftables.conf (sets `addr-set-NAME` and `addr6-set-NAME` of the table
 * `f2b-table`) and action.d/iptables.conf (chains `f2b-NAME`, a rule for each address) of Fail2Ban 0.11 to 1.1; NAME is
 * the jail unless its action says otherwise.
 */
import type { Place } from '../kernel/denials/places.ts'

export const interest = { tables: ['f2b-'], chains: ['f2b-'] } as const

/** `fail2ban (sshd)`; undefined when the place is not its. */
export function banner({ kind, table, name }: Place): string | undefined {
  const ours = kind === 'chain' ? name.startsWith('f2b-') : table.startsWith('f2b-')
  return ours ? `fail2ban (${name.replace(/^(f2b-|addr6?-set-)/, '')})` : undefined
}

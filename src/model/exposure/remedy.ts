/** The one rule that lets what is opened here past a firewall that is not ours. */
import { type Mark, printMark } from '../gateway.ts'
import type { Filters, Place } from './rules.ts'

/** Whether the place is in a table of a program that is asked for a rule of its own: ufw, or firewalld with either backend. */
export function isGated({ chains }: Filters, { table }: Place): boolean {
  const [family, name] = table.split(' ')
  if (name === 'firewalld') return true
  const theirs = [family === 'ip6' ? 'ufw6-user-input' : 'ufw-user-input', 'INPUT_ZONES']
  return theirs.some((chain) => `${table} ${chain}` in chains)
}

/** By the mark that connections of ours have; null where it is no chain of the input hook that blocks, or one that is asked. */
export function remedyAt(filters: Filters, place: Place, { value, mask }: Mark): string | null {
  const base = filters.bases.find(({ table, hook }) => table === place.table && hook === 'input')
  if (!base || isGated(filters, place)) return null
  const [family, table] = base.table.split(' ')
  const [wanted, bits] = printMark({ value, mask }).split('/')
  if (family !== 'inet' && table === 'filter' && base.name === 'INPUT')
    return `${family === 'ip' ? 'iptables' : 'ip6tables'} -I INPUT -m connmark --mark ${wanted}/${bits} -j ACCEPT`
  return `nft insert rule ${base.table} ${base.name} ct mark and ${bits} == ${wanted} accept`
}

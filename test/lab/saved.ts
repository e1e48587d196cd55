/** All rules of iptables, as its own tools save them. */
import type { Host } from './host.ts'

/** Of both families, without dates and counters, which change by themselves. */
export async function savedRules(host: Host): Promise<string> {
  const saved = await Promise.all([host.run('iptables-save'), host.run('ip6tables-save')])
  return saved
    .join('')
    .replace(/^#.*\n/gm, '')
    .replace(/\[\d+:\d+\]/g, '')
}

/** What nmap finds from outside, and what the page of exposures says it should. */
import ipaddr from 'ipaddr.js'
import { expect } from 'vitest'
import type { ExposurePage } from '../../src/api/shapes.ts'
import type { Transport } from '../../src/model/listen.ts'
import type { Lab } from './lab.ts'

export const everyPort = '1-65535'
/** A port that is not answered holds nmap up, so where all are dropped it asks these. */
export const somePorts = '20-1024,5353,8000-9200,20000-20010'

/**
 * The ports that answer, in order. `ports` is nmap's: `1-65535`. At this pace it loses an answer now and then on a busy
 * machine, so it asks again, slowly, for those that `surely` answer.
 */
export async function scan(
  lab: Pick<Lab, 'client' | 'gateway'>,
  protocol: Transport,
  at: string,
  ports: string,
  surely: readonly number[],
): Promise<readonly number[]> {
  // "Port unreachable" of every closed port is wanted, and the kernel limits those of a whole machine.
  const limits = 'echo 0 >/proc/sys/net/ipv4/icmp_ratemask; echo >/proc/sys/net/ipv6/icmp/ratemask'
  await lab.gateway.run('sh', ['-c', limits])
  const pace = ['--max-retries', '1', '--min-rate', '15000']
  const found = new Set(await nmap(lab, protocol, at, ports, pace))
  const missed = surely.filter((port) => !found.has(port) && isAmong(ports, port))
  if (missed.length > 0) for (const port of await nmap(lab, protocol, at, missed.join(), [])) found.add(port)
  return [...found].sort((a, b) => a - b)
}

export type Scans = Partial<Record<'tcp4' | 'tcp6' | 'udp4' | 'udp6' | 'second', string>>

/** Scans each address by each protocol, holds the page against it, and gives what was seen. */
export async function agree(
  lab: Lab,
  page: ExposurePage,
  ports: Scans,
): Promise<Record<keyof Scans, readonly number[]>> {
  const { gateway, client } = lab
  const seen: Record<keyof Scans, readonly number[]> = { tcp4: [], tcp6: [], udp4: [], udp6: [], second: [] }
  for (const [key, protocol, at] of [
    ['tcp4', 'tcp', gateway.outside],
    ['tcp6', 'tcp', gateway.outside6],
    ['udp4', 'udp', gateway.outside],
    ['udp6', 'udp', gateway.outside6],
    // An answer by UDP comes from the first address, which nmap does not take for one.
    ['second', 'tcp', gateway.second],
  ] as const) {
    const said = pageSays(page, protocol, at, client)
    if (ports[key] === 'none') continue
    const asked = ports[key] ?? somePorts
    const found = await scan(lab, protocol, at, asked, said)
    const wanted = said.filter((port) => isAmong(asked, port))
    expect({ key, ports: wanted }).toEqual({ key, ports: found })
    seen[key] = found
  }
  return seen
}

/** What the page has of this kind at the port. */
export const about = ({ exposures }: ExposurePage, port: number, kind = 'service') =>
  exposures.filter((one) => one.kind === kind && isAmong(one.ports, port))

/** Whether `20-1024,5353` names the port. */
function isAmong(ports: string, port: number): boolean {
  return ports.split(',').some((part) => {
    const [first = 0, last = first] = part.split('-').map(Number)
    return first <= port && port <= last
  })
}

async function nmap(
  { client }: Pick<Lab, 'client'>,
  protocol: Transport,
  at: string,
  ports: string,
  pace: readonly string[],
): Promise<readonly number[]> {
  const how = protocol === 'tcp' ? '-sS' : '-sU'
  const family = at.includes(':') ? ['-6'] : []
  const listed = await client.run('nmap', [...family, '-n', '-Pn', how, '-p', ports, ...pace, '-oG', '-', at])
  return [...listed.matchAll(/(\d+)\/open\/(?:tcp|udp)/g)].map(([, port]) => Number(port))
}

/** The ports of the address at which somebody should answer the client. */
export function pageSays(
  { exposures }: ExposurePage,
  protocol: Transport,
  at: string,
  client: { readonly ip: string; readonly ip6: string },
): readonly number[] {
  const family = at.includes(':') ? 6 : 4
  const from = family === 4 ? client.ip : client.ip6
  // Ping and raw sockets have no ports.
  const found = exposures.filter(
    (one) =>
      one.state !== 'closed' &&
      one.ports !== '' &&
      one.answered !== false &&
      one.protocols.includes(protocol) &&
      one.families.includes(family) &&
      (one.addresses.length === 0 || one.addresses.includes(at)) &&
      admits(one.from, from) &&
      !bans(one.banned, from),
  )
  const ports = found.flatMap((one) =>
    one.ports.split(',').flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    }),
  )
  return [...new Set(ports)].sort((a, b) => a - b)
}

/** `anywhere`, `anywhere but 203.0.113.0/24`, `203.0.113.7, …` */
function admits(from: string, address: string): boolean {
  const but = from.startsWith('anywhere but ')
  if (from.startsWith('anywhere') && !but) return true
  const networks = from.replace('anywhere but ', '').split(', ')
  return networks.some((network) => holds(network, address)) !== but
}

/** `203.0.113.2, 198.51.100.0/24 by fail2ban (sshd)` */
function bans(banned: string, address: string): boolean {
  return banned.split(/, | by /).some((network) => holds(network, address))
}

function holds(network: string, address: string): boolean {
  const one = ipaddr.parse(address)
  const [start = '', length = start.includes(':') ? '128' : '32'] = network.split('/')
  if (!ipaddr.isValid(start) || ipaddr.parse(start).kind() !== one.kind()) return false
  return one.match(ipaddr.parse(start), Number(length))
}

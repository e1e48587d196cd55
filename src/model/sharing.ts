/** Forwards that take one opening together: a proxy tells their connections apart by the server name of TLS. */
import { isDeepStrictEqual } from 'node:util'
import type { Forward } from './forward.ts'
import { printListen } from './listen.ts'

/** By what those know each other that may share; undefined: it shares with nobody. */
export function openingShared({ listen, via }: Pick<Forward, 'listen' | 'via'>): string | undefined {
  return via && via.sni !== null ? `${via.proxy} ${printListen(listen)}` : undefined
}

/** Whether both mean to take the same opening, each for its server name. */
export function canShare(one: Forward, other: Forward): boolean {
  const shared = openingShared(one)
  return shared !== undefined && shared === openingShared(other)
}

/**
 * Why these two cannot, though they mean to; undefined: they can. The kernel judges sources and limits by the first packet,
 * before a server name is known, so those are the same for all.
 */
export function whyNotShared(
  one: Forward,
  other: Forward,
): { listen: string; holder: string; why: string } | undefined {
  const why = whyDifferent(one, other)
  return why === undefined ? undefined : { listen: printListen(one.listen), holder: one.name, why }
}

function whyDifferent(one: Forward, other: Forward): string | undefined {
  if (one.via?.sni === other.via?.sni) return `both take ${one.via?.sni}`
  if (!isDeepStrictEqual(one.sources, other.sources)) return 'they admit different sources'
  if (!isDeepStrictEqual(one.limits, other.limits)) return 'they have different limits'
  return one.via?.proxy === 'nginx' ? whyNotOfNginx(one, other) : undefined
}

/** It has these for an opening, where HAProxy has them for each group of servers. */
function whyNotOfNginx({ via }: Forward, other: Forward): string | undefined {
  if (via?.proxyProtocol !== other.via?.proxyProtocol) return 'nginx has one proxy_protocol for all of them'
  if (via?.retries !== other.via?.retries) return 'nginx has one number of retries for all of them'
  return undefined
}

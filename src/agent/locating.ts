/** Which addresses host names stand for, as the controller says: each is checked again before it can become a target. */
import { readAddress, whyUnusableUnasked } from '../model/address.ts'
import { bounded, type Located } from '../model/endpoints.ts'
import type { LocateMessage } from './protocol.ts'

/**
 * By name. What no name may lead to is left out (DNS rebinding): an answer may have been good until this machine got the
 * address itself.
 */
export function readLocated(
  { located }: Pick<LocateMessage, 'located'>,
  ours: readonly string[],
): Map<string, readonly Located[]> {
  const own = new Set(ours)
  return new Map(located.map(({ name, at }) => [name, bounded(at.flatMap((one) => usable(one, own)))]))
}

type Written = LocateMessage['located'][number]['at'][number]

function usable({ address: text, port, weight }: Written, own: ReadonlySet<string>): Located[] {
  const address = readAddress(text)
  if (!address || own.has(address.text) || whyUnusableUnasked(address)) return []
  return [{ address, ...(port !== undefined && { port }), ...(weight !== undefined && { weight }) }]
}

/** Which addresses host names stand for, as the controller says: each is checked again before it can become a target. */
import { parseAddress, whyUnusableAsTarget } from '../model/address.ts'
import { type Located, mostEndpoints } from '../model/endpoints.ts'
import { Problem } from '../model/problem.ts'
import type { LocateMessage } from './protocol.ts'

/** By name. Throws a Problem when an address is one that no name may lead to (DNS rebinding). */
export function readLocated(
  { located }: Pick<LocateMessage, 'located'>,
  ours: readonly string[],
): Map<string, readonly Located[]> {
  return new Map(
    located.map(({ name, at }) => [name, at.slice(0, mostEndpoints).map((one) => usable(name, one, ours))]),
  )
}

type Written = LocateMessage['located'][number]['at'][number]

function usable(name: string, { address: text, port, weight }: Written, ours: readonly string[]): Located {
  const address = parseAddress(name, text)
  const why =
    whyUnusableAsTarget(address) ?? (ours.includes(address.text) ? 'it is this machine itself' : undefined)
  if (why) throw Problem.of('target-unusable', { field: name, value: address.text, why })
  return { address, ...(port !== undefined && { port }), ...(weight !== undefined && { weight }) }
}

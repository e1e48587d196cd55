/**
 * Ports of proxies are shut to whoever comes by no forward before anybody listens there, and until nobody does: past a
 * forward nobody is asked for sources, limits or bans.
 */
import type { Difference } from '../compile/difference.ts'
import type { Holding } from './holding.ts'
import type { Machine } from './machine.ts'

/** What an earlier agent has shut may still be listened at. */
export async function shutAtStart(
  { door, proxying }: Pick<Machine, 'door' | 'proxying'>,
  holding: Holding,
): Promise<void> {
  const found = (await door.read(['entrances'])).get('entrances') ?? new Map<string, string>()
  proxying.adopt([...found.keys()].map(Number), holding)
  takeShut(proxying, holding)
}

/** Before proxies are told. */
export function shutMore(holding: Holding): Difference {
  return holding.takeShut([...holding.shut, ...holding.entered()])
}

/** What is not used any more is given up. */
export function takeShut({ served }: Pick<Machine['proxying'], 'served'>, holding: Holding): Difference {
  return holding.takeShut([...holding.entered(), ...served])
}

/** In which families nothing but forwards passes from outside: those whose forwarding is or will be ours. */
import type { Difference } from '../compile/difference.ts'
import type { Holding } from './holding.ts'
import type { Machine } from './machine.ts'

/** `atStart`: what an earlier agent has left in the kernel is evidence too, as its record may be lost. */
export async function shield(
  { forwarding, door }: Pick<Machine, 'forwarding' | 'door'>,
  holding: Holding,
  atStart: boolean,
): Promise<Difference> {
  if (atStart) {
    const found = (await door.read(['shielded'])).get('shielded') ?? new Map<string, string>()
    forwarding.adopt(([4, 6] as const).filter((family) => found.has(`ipv${family}`)))
  }
  forwarding.prepare(holding.families())
  return holding.takeShield(forwarding.switchedOn())
}

/** The exposures that are declared: forwards, each once. */
import { withPort } from '../address.ts'
import { type Forward, familiesOf } from '../forward.ts'
import { printPorts } from '../ports.ts'
import { describeSources } from '../sources.ts'
import { printTarget } from '../target.ts'
import { bannedFor } from './banned.ts'
import type { Declared, Ticket } from './cases.ts'
import type { Exposure, Machine } from './exposure.ts'
import { type Judged, shut, withBans, withService } from './judging.ts'

/** Gives what tells of one forward after the other, as its case was judged. */
export function teller(
  { lists }: Declared,
  machine: Machine,
  judged: readonly Judged[],
): (forward: Forward, ticket: Ticket) => Exposure {
  const banned = bannedFor(machine.banned, lists)
  return (forward, ticket) => {
    const found = typeof ticket === 'string' ? shut(ticket) : judged[ticket]
    return exposureOf(forward, withBans(withService(found ?? shut(''), forward, machine), banned(forward)))
  }
}

function exposureOf(forward: Forward, judged: Judged): Exposure {
  const { listen, targets, sources } = forward
  return {
    kind: 'forward',
    name: forward.name,
    protocols: listen.kind === 'ping' ? ['icmp'] : listen.protocols,
    families: familiesOf(forward),
    ports: listen.kind === 'ping' ? '' : printPorts(listen.ports),
    addresses:
      listen.kind === 'ping'
        ? [listen.address.text]
        : listen.place.kind === 'address'
          ? [listen.place.address.text]
          : [],
    interfaces: judged.interfaces,
    state: judged.state,
    anywhere: sources === 'anywhere' && judged.narrowed === '' && judged.state !== 'closed',
    from: `${sources === 'anywhere' ? 'anywhere' : describeSources(sources).replace(/^(only )?from /, '')}${judged.narrowed}`,
    banned: judged.banned,
    rule: judged.rule,
    behind: targets.map((target) => printTarget(target, listen)).join(' and '),
    answered: judged.answered,
    since: null,
    declared: true,
  }
}

/** `10.0.0.5:80`, as a translation of others names its target. */
export function targetWords(address: string, ports: readonly [number, number] | null): string {
  if (!ports) return address
  const port = ports[0] === ports[1] ? String(ports[0]) : ports.join('-')
  return withPort({ family: address.includes(':') ? 6 : 4, text: address }, port)
}

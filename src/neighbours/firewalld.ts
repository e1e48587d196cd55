/**
 * firewalld accepts every connection whose destination was translated (`ct status dnat`, in its iptables backend
 * `--ctstate DNAT`) before it looks at zones, so forwards need no rule. Exceptions are told, not worked around: panic mode,
 * and StrictForwardPorts=yes of firewalld 2.3 and later, which leaves that rule out on purpose.
 */
import { type ForeignChain, printChain } from '../model/foreign.ts'
import { admitInFirewalld } from './firewalld-gate.ts'
import type { Neighbour, Presence } from './neighbour.ts'
import type { VersionOf } from './reading.ts'

export const firewalld: Neighbour = {
  name: 'firewalld',
  gate: {
    place: 'rich rules of priority 11696',
    isActive: (chains) => filtering(chains).length > 0,
    // Switched off it has no say, and what is left in its files is taken back when it is on again.
    admit: async (wanted, chains) => (filtering(chains).length > 0 ? admitInFirewalld(wanted) : []),
  },
  place: '',
  see,
  async letThrough(_mark, chains) {
    if (inPanic(chains)) {
      throw new Error(
        'in panic mode it drops every packet, which is what that is for; firewall-cmd --panic-off ends it',
      )
    }
    if (isReloading(chains)) throw new Error('its reload is not over')
    if (refusing(chains).length > 0) {
      throw new Error(
        'it is told to refuse what other programs forward; StrictForwardPorts=no in /etc/firewalld/firewalld.conf and firewall-cmd --reload admit it',
      )
    }
  },
  async withdraw() {},
}

const passing = 'its own rule for translated connections admits forwards before its zones are asked'

function see(chains: readonly ForeignChain[], versionOf: VersionOf): Presence | null {
  const version = versionOf('firewalld')
  const active = filtering(chains).length > 0
  if (version === null && !active) return null
  const drops = dropsOf(chains)
  return { version, active, drops, chains: filtering(chains), note: drops === null ? passing : null }
}

function dropsOf(chains: readonly ForeignChain[]): string | null {
  if (inPanic(chains)) return 'panic mode'
  if (isReloading(chains)) return 'while it reloads'
  const [first] = refusing(chains)
  return first ? `${first.base?.ending} in ${printChain(first)}` : null
}

/** Its own chains on the forward hook. The iptables backend has chains of its own beside the one that is everybody's. */
function filtering(chains: readonly ForeignChain[]): ForeignChain[] {
  const zones = chains.filter(({ table, name }) => table === 'filter' && name === 'FORWARD_ZONES')
  return chains.filter(
    ({ family, table, base }) =>
      base?.hook === 'forward' &&
      (table === 'firewalld' ||
        table === 'firewalld_policy_drop' ||
        (table === 'filter' && zones.some((one) => one.family === family))),
  )
}

/** For as long as it loads its rules it drops what is new. */
function isReloading(chains: readonly ForeignChain[]): boolean {
  return filtering(chains).some(({ table }) => table === 'firewalld_policy_drop')
}

function refusing(chains: readonly ForeignChain[]): ForeignChain[] {
  return filtering(chains).filter(
    ({ base }) => base && base.ending !== null && !base.admits.some(({ kind }) => kind === 'forwarded'),
  )
}

/** `firewall-cmd --panic-on`: policy drop where packets come in. */
function inPanic(chains: readonly ForeignChain[]): boolean {
  const byIptables = filtering(chains).some(({ table }) => table === 'filter')
  return chains.some(
    ({ table, base }) =>
      base?.hook === 'prerouting' &&
      base.drops &&
      (table === 'firewalld_policy_drop' || (byIptables && table === 'mangle')),
  )
}

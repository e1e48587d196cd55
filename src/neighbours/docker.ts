/**
 * Docker: it sets the policy of FORWARD to drop, and leaves the chain DOCKER-USER to the operator: its rules come before
 * Docker's own and stay over its restarts (docs.docker.com, "Packet filtering and firewalls").
 */
import type { ForeignChain } from '../model/foreign.ts'
import type { Neighbour, Presence } from './neighbour.ts'
import { debianVersion } from './reading.ts'
import { accept, chainsNamed, removeAccepts } from './xtables.ts'

const chainNames = { ip: 'DOCKER-USER', ip6: 'DOCKER-USER' } as const

export const docker: Neighbour = {
  name: 'Docker',
  place: 'DOCKER-USER',
  see,
  async letThrough(mark, chains) {
    for (const chain of chainsNamed(chains, chainNames)) await accept(chain, mark)
  },
  async withdraw(chains) {
    for (const chain of chainsNamed(chains, chainNames)) await removeAccepts(chain)
  },
}

function see(chains: readonly ForeignChain[]): Presence | null {
  const version = debianVersion('docker.io') ?? debianVersion('docker-ce')
  const present = chainsNamed(chains, chainNames)
  if (version === null && present.length === 0) return null
  const forward = chains.find(
    ({ family, table, base }) =>
      present.some((one) => one.family === family) &&
      table === 'filter' &&
      base?.hook === 'forward' &&
      base.drops,
  )
  return {
    version,
    active: present.length > 0,
    drops: forward ? `policy drop of table ${forward.family} filter, chain ${forward.name}` : null,
  }
}

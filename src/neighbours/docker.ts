/**
 * Docker: where it switches forwarding on itself it sets the policy of FORWARD to drop, and it leaves the chain DOCKER-USER
 * to the operator: its rules come before Docker's own and stay over its restarts (docs.docker.com, "Packet filtering and
 * firewalls"). Ours is the last of them. Before Docker 23 there is no such chain in IPv6; our rule then stands in FORWARD
 * itself, of which Docker adds and removes its own rules alone.
 */
import type { ForeignChain } from '../model/foreign.ts'
import { type Neighbour, type Presence, policyOf } from './neighbour.ts'
import type { VersionOf } from './reading.ts'
import { accept, removeAccepts, type XtablesChain } from './xtables.ts'

const families = ['ip', 'ip6'] as const

export const docker: Neighbour = {
  name: 'Docker',
  gate: null,
  place: 'DOCKER-USER, or FORWARD where there is none',
  see,
  async letThrough(mark, chains) {
    for (const chain of userChains(chains)) await accept(chain, mark)
  },
  async withdraw(chains) {
    for (const chain of placesOf(chains)) await removeAccepts(chain)
  },
}

function see(chains: readonly ForeignChain[], versionOf: VersionOf): Presence | null {
  const version = versionOf('docker.io') ?? versionOf('docker-ce')
  const present = userChains(chains)
  if (version === null && present.length === 0) return null
  const dropping = chains.filter(
    ({ family, table, base }) =>
      present.some((one) => one.family === family) &&
      table === 'filter' &&
      base?.hook === 'forward' &&
      base.drops,
  )
  return { version, active: present.length > 0, drops: policyOf(dropping), chains: dropping, note: null }
}

/** The one chain of each family in which our rule belongs. */
function userChains(chains: readonly ForeignChain[]): XtablesChain[] {
  return families.flatMap((family) =>
    placesOf(chains)
      .filter((one) => one.family === family)
      .slice(0, 1),
  )
}

/** Every chain in which it may stand, the better first: a newer Docker adds the one that an older did not have. */
function placesOf(chains: readonly ForeignChain[]): XtablesChain[] {
  const has = (family: string, name: string) =>
    chains.some((one) => one.family === family && one.table === 'filter' && one.name === name)
  return families
    .filter((family) => has(family, 'DOCKER'))
    .flatMap((family) =>
      ['DOCKER-USER', 'FORWARD'].filter((name) => has(family, name)).map((name) => ({ family, name })),
    )
}

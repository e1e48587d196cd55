/**
 * CloudPanel makes rules by ufw alone, all of them anew whenever one is changed in its pages, so ufw is where forwards are
 * let through. What is left to know is that it is there, and that its own pages are on port 8443.
 */
import { existsSync } from 'node:fs'
import type { Neighbour } from './neighbour.ts'

const note = 'its pages are on tcp/8443, and the rules that it makes are those of ufw'

export const cloudpanel: Neighbour = {
  name: 'CloudPanel',
  // Its rules are those of ufw, and what it makes anew there is put back there.
  gate: null,
  place: '',
  see(_chains, versionOf) {
    const version = versionOf('cloudpanel')
    if (version === null && !existsSync('/usr/bin/clpctl')) return null
    return { version, active: true, drops: null, chains: [], note }
  },
  async letThrough() {},
  async withdraw() {},
}

/** Every program whose bans are known. */
import type { Interest, Place } from '../kernel/denials/places.ts'
import * as crowdsec from './crowdsec.ts'
import * as fail2ban from './fail2ban.ts'

const programs = [fail2ban, crowdsec]

export const banInterest: Interest = {
  tables: programs.flatMap(({ interest }) => interest.tables),
  chains: programs.flatMap(({ interest }) => interest.chains),
  ipsets: programs.flatMap(({ interest }) => interest.ipsets),
}

/** Who bans there; undefined where nobody does. */
export function bannerOf(place: Place): string | undefined {
  if (place.kind === 'told') return place.name
  return programs.map(({ banner }) => banner(place)).find((name) => name !== undefined)
}

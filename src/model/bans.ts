/** Whom other programs of this machine have banned. */

export interface Ban {
  /** `198.51.100.9`, or a network. */
  readonly address: string
  /** `fail2ban (sshd)` */
  readonly by: string
  /** UTC instant at which Drawbridge first saw it. */
  readonly since: string
  /** Packets of it that would have opened a connection by a forward. */
  readonly dropped: number
}

export interface Bans {
  /** Addresses and networks. */
  readonly count: number
  readonly by: readonly { readonly by: string; readonly count: number }[]
  /** The newest first, a few of them. */
  readonly newest: readonly Ban[]
}

export const noBans: Bans = { count: 0, by: [], newest: [] }

/** `198.51.100.9 is banned by fail2ban (sshd) since 2026-11-24T20:31:00Z (3 packets dropped)` */
export function describeBan({ address, by, since, dropped }: Ban): string {
  const second = since.replace(/\.\d+Z$/, 'Z')
  const packets = `${dropped} ${dropped === 1 ? 'packet' : 'packets'}`
  return `${address} is banned by ${by} since ${second}${dropped > 0 ? ` (${packets} dropped)` : ''}`
}

/** `3 addresses, by fail2ban (sshd) 2, crowdsec 1` */
export function describeBans({ count, by }: Bans): string {
  const programs = by.map((one) => `${one.by} ${one.count}`)
  return `${count} ${count === 1 ? 'address' : 'addresses'}, by ${programs.join(', ')}`
}

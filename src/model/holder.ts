/** Who serves a socket of this machine, as far as it can be known without a doubt. */

export interface Holder {
  /** The name of the user, or `uid 1234` where it has none. */
  readonly user: string
  /** The systemd unit, such as `nginx.service`. */
  readonly unit: string | null
  readonly program: string | null
  readonly pid: number | null
}

/** `nginx (process 812 of nginx.service, user root)`; of what is not known nothing is said. */
export function describeHolder({ user, unit, program, pid }: Holder): string {
  const facts = [
    ...(pid === null ? [] : [`process ${pid}${unit === null ? '' : ` of ${unit}`}`]),
    ...(pid === null && program !== null && unit !== null ? [unit] : []),
    `user ${user}`,
  ]
  return `${program ?? unit ?? 'a program'}${whose(unit)} (${facts.join(', ')})`
}

/** The panel has a web server of its own beside that of the sites: clp-nginx.service. */
function whose(unit: string | null): string {
  return unit?.startsWith('clp-') ? ' of CloudPanel' : ''
}

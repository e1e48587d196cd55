/** Clients of a gateway that are told apart by their addresses. */

import type { Protocol } from './inside/protocol.ts'
import type { Lab } from './lab.ts'

/** Who answers `from` at a port of the gateway, in the family of `from`, or why nobody does: `timeout`, or a refusal's words. */
export async function asksFrom(
  { client, gateway }: Lab,
  port: number,
  from: string,
  protocol: Protocol = 'tcp',
): Promise<string> {
  const to = from.includes(':') ? gateway.outside6 : gateway.outside
  return client.asks(to, port, { from, protocol, timeout: 1000 }).then(
    ({ identity }) => identity,
    ({ message }: Error) => (/timeout/.test(message) ? 'timeout' : message),
  )
}

/** A TCP connection to this machine over which somebody works. */
import type { Address } from './address.ts'

export interface Session {
  readonly client: Address
  readonly clientPort: number
  readonly server: Address
  readonly serverPort: number
}

/** One text for one session, to compare by. */
export function sessionKey({ client, clientPort, server, serverPort }: Session): string {
  return `${client.text} ${clientPort} ${server.text} ${serverPort}`
}

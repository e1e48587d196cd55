/** Who has a TCP connection to a port of this machine, by sock_diag(7). */
import { readAddress } from '../model/address.ts'
import type { Session } from '../model/session.ts'
import { diagAddress, diagRequest, families } from './listeners.ts'
import type { Netlink } from './netlink.ts'

const tcp = 6
const established = 1
/** Where struct inet_diag_msg has what is wanted (include/uapi/linux/inet_diag.h). */
const at = { serverPort: 4, clientPort: 6, server: 8, client: 24 } as const

/** The kernel leaves sockets of other ports out. */
export function readSessions(netlink: Netlink, ports: readonly number[]): Session[] {
  return ports.flatMap((port) =>
    ([4, 6] as const).flatMap((family) => {
      const length = family === 4 ? 4 : 16
      const request = diagRequest(families[family], tcp, established, port)
      return netlink.request(request, 'reading sessions').flatMap(({ body }) => {
        const side = (from: number) => readAddress(diagAddress(body.subarray(from, from + length)))
        const [client, server] = [side(at.client), side(at.server)]
        if (!client || !server) return []
        const clientPort = body.readUInt16BE(at.clientPort)
        return [{ client, clientPort, server, serverPort: body.readUInt16BE(at.serverPort) }]
      })
    }),
  )
}

/**
 * Ends TCP connections of services of this machine. For connection tracking such a connection may begin anew with its next
 * packet, in either direction, so that taking its entry away would end it only where a firewall is in the way by chance.
 * sock_diag(7) ends the socket, and both sides are told by a reset (SOCK_DESTROY, since Linux 4.5, CAP_NET_ADMIN).
 */
import type { Flow } from '../compile/flows.ts'
import { diagAddress, diagRequest, families } from './listeners.ts'
import { KernelError, type Netlink } from './netlink.ts'
import { readLocalAddresses } from './services.ts'

const SOCK_DESTROY = 21
const NLM_F_REQUEST_ACK = 0x5
const tcp = 6
/**
 * enum of include/net/tcp_states.h: all that a connection goes through. Never LISTEN (10): what is looked up by address
 * alone and not found would be the service itself (inet_lookup), so each is named by the kernel's own cookie, too.
 */
const connected = [1, 2, 3, 4, 5, 8, 9, 11]
/** Where struct inet_diag_msg has what is wanted, and the whole of struct inet_diag_sockid. */
const at = { port: 4, clientPort: 6, local: 8, client: 24, id: 4, idEnd: 52 } as const
/** Where struct inet_diag_req_v2 takes that, behind the header of the message. */
const requestId = 24
/** Gone meanwhile, become another, or a kernel without CONFIG_INET_DIAG_DESTROY. */
const harmless: readonly number[] = [2, 116, 95]

/**
 * Those among the flows that a socket of this machine answers: no rule translates them, or one has led them to a proxy here,
 * which would otherwise be told nothing until it next says something.
 */
export function destroyLocal(netlink: Netlink, flows: readonly Flow[]): void {
  const ours = new Set(readLocalAddresses().map(({ text }) => text))
  const local = flows.filter(
    ({ protocol, destination, target }) => protocol === 'tcp' && (destination === target || ours.has(target)),
  )
  const keys = new Set(local.map((flow) => keyOf(flow.source, flow.sourcePort, flow.target, flow.targetPort)))
  for (const port of new Set(local.map((flow) => flow.targetPort))) {
    // A socket of IPv6 may hold a connection of IPv4.
    for (const family of [4, 6] as const) {
      const request = diagRequest(families[family], tcp, connected, port)
      for (const { body } of netlink.request(request, 'reading connections of services')) {
        const length = family === 4 ? 4 : 16
        const address = (from: number) => diagAddress(body.subarray(from, from + length))
        const key = keyOf(address(at.client), body.readUInt16BE(at.clientPort), address(at.local), port)
        if (keys.has(key)) destroy(netlink, families[family], body.subarray(at.id, at.idEnd))
      }
    }
  }
}

function keyOf(client: string, clientPort: number, local: string, port: number): string {
  return `${client} ${clientPort} ${local} ${port}`
}

function destroy(netlink: Netlink, family: number, id: Buffer): void {
  const request = diagRequest(family, tcp, connected)
  request.writeUInt16LE(SOCK_DESTROY, 4)
  request.writeUInt16LE(NLM_F_REQUEST_ACK, 6)
  id.copy(request, requestId)
  try {
    netlink.request(request, 'ending a connection of a service')
  } catch (error) {
    if (!(error instanceof KernelError && harmless.includes(error.errno))) throw error
  }
}

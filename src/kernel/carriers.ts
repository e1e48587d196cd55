/** Which interfaces are up and carry, and the largest packet of each, by rtnetlink. Source: rtnetlink(7), if_link.h, if.h. */
import type { Netlink } from './netlink.ts'
import { attributes, textOf } from './nfnetlink.ts'
import { dumpRequest } from './rtnetlink.ts'

const RTM_GETLINK = 18
const linkMessageLength = 16
const flagsAt = 8
const IFF_UP = 0x1
const IFF_LOWER_UP = 0x10000
const link = { name: 3, mtu: 4 } as const

export interface Carrier {
  readonly name: string
  readonly up: boolean
  /** The cable is in, so to say. */
  readonly carrier: boolean
  readonly mtu: number
}

export function readCarriers(netlink: Netlink): Carrier[] {
  const request = dumpRequest(RTM_GETLINK, linkMessageLength)
  return netlink.request(request, 'reading interfaces', 'torn too').map(({ body }) => {
    const parts = attributes(body.subarray(linkMessageLength))
    const flags = body.readUInt32LE(flagsAt)
    return {
      name: textOf(parts.get(link.name)),
      up: (flags & IFF_UP) !== 0,
      carrier: (flags & IFF_LOWER_UP) !== 0,
      mtu: parts.get(link.mtu)?.readUInt32LE(0) ?? 0,
    }
  })
}

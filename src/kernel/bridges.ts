/**
 * Bridges whose frames pass the rules for packets (br_netfilter) and that send none back out of the port it came in by. A
 * destination on the same bridge is then reached without the routing (br_nf_pre_routing_finish() in
 * net/bridge/br_netfilter_hooks.c), and should_deliver() in net/bridge/br_forward.c drops what would leave by the port it
 * came in by, unless that is in hairpin mode. Source: include/uapi/linux/if_link.h.
 */
import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type Family, type Prefix, readPrefix } from '../model/address.ts'
import type { Bridge } from '../model/bridge.ts'
import type { Netlink } from './netlink.ts'
import { attributeIn, attributes } from './nfnetlink.ts'
import { dumpRequest, interfaceName } from './rtnetlink.ts'

const RTM_GETLINK = 18
const AF_BRIDGE = 7
const linkMessageLength = 16
const link = { bridge: 10, port: 12 } as const
const hairpinMode = 4

const switches = { 4: 'bridge-nf-call-iptables', 6: 'bridge-nf-call-ip6tables' } as const

/** The switch of the whole network; that of a single bridge is not looked at. */
export function readBridges(netlink: Netlink): Bridge[] {
  const families = ([4, 6] as const).filter((family) => isOn(`/proc/sys/net/bridge/${switches[family]}`))
  if (families.length === 0) return []
  const interfaces = networkInterfaces()
  return bridgesKeepingBack(netlink).map((name) => ({
    name,
    networks: (interfaces[name] ?? []).flatMap(({ cidr }) => networkIn(cidr, families) ?? []),
  }))
}

/** There is none where br_netfilter is not loaded. */
function isOn(path: string): boolean {
  return existsSync(path) && readFileSync(path, 'utf8').trim() === '1'
}

function networkIn(cidr: string | null, families: readonly Family[]): Prefix | undefined {
  const prefix = readPrefix(cidr ?? '')
  return prefix && families.includes(prefix.family) ? prefix : undefined
}

/** Those with at least one port that is not in hairpin mode. */
function bridgesKeepingBack(netlink: Netlink): readonly string[] {
  const request = dumpRequest(RTM_GETLINK, linkMessageLength, AF_BRIDGE)
  const ports = netlink.request(request, 'reading the ports of bridges', 'torn too')
  const indexes = ports.flatMap(({ body }) => {
    const found = attributes(body.subarray(linkMessageLength))
    const mode = attributeIn(found.get(link.port), hairpinMode)?.readUInt8(0)
    return mode === 0 ? (found.get(link.bridge)?.readUInt32LE(0) ?? []) : []
  })
  return [...new Set(indexes)].flatMap((index) => interfaceName(index) ?? []).sort()
}

/** Whether the way of a packet depends on who sends it (ip-rule(8)). Source: rtnetlink(7), include/uapi/linux/fib_rules.h. */
import type { Netlink } from './netlink.ts'
import { dumpRequest } from './rtnetlink.ts'

const RTM_GETRULE = 34
const ruleHeaderLength = 12
const sourceLengthAt = 2

/** Some rule asks for a source: what this machine sends may go another way than what it forwards. */
export function routesBySource(netlink: Netlink): boolean {
  const request = dumpRequest(RTM_GETRULE, ruleHeaderLength)
  const rules = netlink.request(request, 'reading rules of routing', 'torn too')
  return rules.some(({ body }) => body.readUInt8(sourceLengthAt) > 0)
}

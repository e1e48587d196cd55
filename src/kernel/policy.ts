/** Whether the way of a packet depends on who sends it (ip-rule(8)). Source: rtnetlink(7), include/uapi/linux/fib_rules.h. */
import type { Netlink } from './netlink.ts'

const RTM_GETRULE = 34
const NLM_F_REQUEST_DUMP = 0x301
const ruleHeaderLength = 12
const sourceLengthAt = 2

/** Some rule asks for a source: what this machine sends may go another way than what it forwards. */
export function routesBySource(netlink: Netlink): boolean {
  const request = Buffer.alloc(16 + ruleHeaderLength)
  request.writeUInt32LE(request.length, 0)
  request.writeUInt16LE(RTM_GETRULE, 4)
  request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6)
  const rules = netlink.request(request, 'reading rules of routing', 'torn too')
  return rules.some(({ body }) => body.readUInt8(sourceLengthAt) > 0)
}

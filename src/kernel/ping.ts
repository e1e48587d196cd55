/**
 * One echo request by an ICMP socket of the datagram kind, which needs no privilege but a group inside
 * net.ipv4.ping_group_range (icmp(7)); systemd opens that to everybody, a bare kernel to nobody.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'
import type { Address } from '../model/address.ts'
import { encodeFields } from './fields.ts'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const connect = libc.func('int connect(int fd, const uint8_t *address, uint32_t length)')
const send = libc.func('long send(int fd, const uint8_t *bytes, size_t length, int flags)')
const recv = libc.func('long recv(int fd, _Out_ uint8_t *bytes, size_t length, int flags)')
const setsockopt = libc.func('int setsockopt(int fd, int level, int name, const int *value, uint32_t length)')
const close = libc.func('int close(int fd)')

const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000
const kinds = {
  4: { domain: 2, protocol: 1, request: 8 },
  6: { domain: 10, protocol: 58, request: 128 },
} as const
/** How soon it is looked whether the answer is there; then more and more rarely. */
const shortestNap = 2
const longestNap = 50
const headers = { 4: 20, 6: 40 } as const
/** IPPROTO_IP with IP_MTU_DISCOVER, IPPROTO_IPV6 with IPV6_MTU_DISCOVER; both know the value PROBE. */
const discovery = { 4: [0, 10], 6: [41, 23] } as const
const PROBE = 3

export type Pinged = 'answers' | 'silent' | 'forbidden'

/**
 * Asks once and waits so long. The kernel fills in identifier and checksum, and gives us the replies to us alone. `size`: of
 * the whole packet, which then must not be cut into fragments, whatever is known of the path (IP_PMTUDISC_PROBE in ip(7)).
 */
export async function ping(address: Address, patience: number, size?: number): Promise<Pinged> {
  const { domain, protocol, request } = kinds[address.family]
  const fd: number = socket(domain, SOCK_DGRAM_CLOEXEC_NONBLOCK, protocol)
  if (fd < 0) return 'forbidden'
  try {
    const to = socketAddress(domain, address)
    const echo = Buffer.alloc(Math.max(8, (size ?? 0) - headers[address.family]))
    echo[0] = request
    echo[7] = 1
    if (size !== undefined && !keepWhole(fd, address.family)) return 'forbidden'
    if (connect(fd, to, to.length) < 0 || send(fd, echo, echo.length, 0) < 0) return 'silent'
    const answer = Buffer.alloc(echo.length + 64)
    const end = performance.now() + patience
    let nap = shortestNap
    do {
      await sleep(nap)
      nap = Math.min(nap * 1.5, longestNap)
      if (recv(fd, answer, answer.length, 0) > 0) return 'answers'
    } while (performance.now() < end)
    return 'silent'
  } finally {
    close(fd)
  }
}

function keepWhole(fd: number, family: Address['family']): boolean {
  const [level, name] = discovery[family]
  return setsockopt(fd, level, name, [PROBE], 4) === 0
}

/** struct sockaddr_in and sockaddr_in6: family, port, then the address. */
function socketAddress(domain: number, { family, text }: Address): Buffer {
  const bytes = Buffer.alloc(family === 4 ? 16 : 28)
  bytes.writeUInt16LE(domain, 0)
  if (family === 4) bytes.set(encodeFields(['ipv4_addr'], text), 4)
  else bytes.set(encodeFields(['ipv6_addr'], text), 8)
  return bytes
}

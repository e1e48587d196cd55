/** The packets of a probe: right sums, the size that was asked for, and nothing in them. */
import ipaddr from 'ipaddr.js'
import { expect, test } from 'vitest'
import { packetOf, readHeader, smallest } from '../../src/kernel/tracing/packet.ts'
import { ACK, type Probe, SYN } from '../../src/model/trace/step.ts'

const four = { family: 4, source: '198.51.100.7', destination: '203.0.113.1' } as const
const six = { family: 6, source: '2001:db8:77::7', destination: '2001:db8:1::1' } as const
const probes = [four, six].flatMap((between) =>
  (['tcp', 'udp', 'icmp'] as const).flatMap((protocol) =>
    [null, 1401, 1500].map(
      (size): Probe => ({
        ...between,
        protocol,
        size,
        sourcePort: 50_123,
        port: protocol === 'icmp' ? 0 : 8080,
        by: 'out0',
      }),
    ),
  ),
)

/** Of what a checksum covers, with itself in it, the sum is all ones (RFC 1071). */
function isRight(bytes: Buffer): boolean {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum === 0xffff
}

const address = (text: string) => Buffer.from(ipaddr.parse(text).toByteArray())

test.each(probes)('$protocol over IPv$family, size $size', (probe) => {
  const packet = packetOf(probe)
  expect(packet.length).toBe(probe.size ?? smallest(probe))
  const length = probe.family === 4 ? 20 : 40
  const [network, body] = [packet.subarray(0, length), packet.subarray(length)]
  if (probe.family === 4) {
    expect(isRight(network)).toBe(true)
    expect(network.readUInt16BE(6)).toBe(0x4000) // not to be fragmented
  }
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(body.length, 0)
  pseudo.writeUInt32BE(network.readUInt8(probe.family === 4 ? 9 : 6), 4)
  const covered =
    probe.family === 4 && probe.protocol === 'icmp'
      ? body
      : Buffer.concat([address(probe.source), address(probe.destination), pseudo, body])
  expect(isRight(covered)).toBe(true)
  expect(body.subarray(smallest(probe) - length).every((byte) => byte === 0)).toBe(true)
  expect(readHeader(network, body)).toMatchObject({
    source: probe.source,
    destination: probe.destination,
    protocol: probe.protocol,
    sourcePort: probe.sourcePort,
    port: probe.protocol === 'icmp' ? probe.sourcePort : probe.port,
    bytes: packet.length,
    error: null,
  })
})

test('of a conversation only the first packet is large', () => {
  const probe = probes.find(({ protocol, size }) => protocol === 'tcp' && size === 1500) as Probe
  const segment = { flags: ACK, sequence: 2, acknowledged: 7 }
  const packet = packetOf(probe, segment)
  expect(packet.length).toBe(40)
  expect(readHeader(packet.subarray(0, 20), packet.subarray(20))?.tcp).toEqual({
    sequence: 2,
    flags: ACK,
    data: 0,
  })
  expect(readHeader(packetOf(probe).subarray(0, 20), packetOf(probe).subarray(20))?.tcp).toMatchObject({
    flags: SYN,
  })
})

test.each([
  ['cut off', Buffer.alloc(10), Buffer.alloc(20)],
  ['of no version', Buffer.alloc(40), Buffer.alloc(20)],
  ['without what follows it', packetOf(probes[0] as Probe).subarray(0, 20), Buffer.alloc(0)],
] as const)('a header %s is none', (_, network, transport) => {
  expect(readHeader(network, transport)).toBeNull()
})

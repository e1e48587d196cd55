/** Packets of a probe as bytes, and the headers of what comes back. Source: RFC 791, 8200, 9293, 768, 792, 4443, 1071. */
import ipaddr from 'ipaddr.js'
import { type Header, type Probe, SYN } from '../../model/trace/step.ts'
import { addressText } from '../fields.ts'

const protocols = { 4: { tcp: 6, udp: 17, icmp: 1 }, 6: { tcp: 6, udp: 17, icmp: 58 } } as const
const headerLengths = { tcp: 20, udp: 8, icmp: 8 } as const
const ipLengths = { 4: 20, 6: 40 } as const
const timeToLive = 64
const dontFragment = 0x4000
const anyWindow = 64_240

/** The smallest packet of a kind. */
export function smallest({ family, protocol }: Pick<Probe, 'family' | 'protocol'>): number {
  return ipLengths[family] + headerLengths[protocol]
}

/** Where a conversation of TCP stands. */
export interface Segment {
  readonly flags: number
  readonly sequence: number
  readonly acknowledged: number
}

const firstSegment: Segment = { flags: SYN, sequence: 1, acknowledged: 0 }

/** What is beyond the headers is zeros: a probe says nothing. Only the first packet has the size that was asked for. */
export function packetOf(probe: Probe, segment: Segment = firstSegment): Buffer {
  const { family, protocol, size } = probe
  const wanted = segment.flags === SYN && size !== null ? size : 0
  const data = Math.max(0, wanted - smallest(probe))
  const body = Buffer.alloc(headerLengths[protocol] + data)
  writers[protocol](body, probe, segment)
  const [source, destination] = [probe.source, probe.destination].map(bytesOf) as [Buffer, Buffer]
  const number = protocols[family][protocol]
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(body.length, 0)
  pseudo.writeUInt32BE(number, 4)
  const covered = family === 4 && protocol === 'icmp' ? [body] : [source, destination, pseudo, body]
  const sum = checksum(Buffer.concat(covered))
  // Of UDP zero means that there is none.
  body.writeUInt16BE(protocol === 'udp' && sum === 0 ? 0xffff : sum, checksumAt[protocol])
  return Buffer.concat([ipHeader(probe, number, body.length, source, destination), body])
}

const checksumAt = { tcp: 16, udp: 6, icmp: 2 } as const
const echo = { 4: 8, 6: 128 } as const

const writers: Readonly<Record<Probe['protocol'], (to: Buffer, probe: Probe, segment: Segment) => void>> = {
  tcp: (to, { sourcePort, port }, { flags, sequence, acknowledged }) => {
    to.writeUInt16BE(sourcePort, 0)
    to.writeUInt16BE(port, 2)
    to.writeUInt32BE(sequence, 4)
    to.writeUInt32BE(acknowledged, 8)
    to.writeUInt8(headerLengths.tcp << 2, 12)
    to.writeUInt8(flags, 13)
    to.writeUInt16BE(anyWindow, 14)
  },
  udp: (to, { sourcePort, port }) => {
    to.writeUInt16BE(sourcePort, 0)
    to.writeUInt16BE(port, 2)
    to.writeUInt16BE(to.length, 4)
  },
  icmp: (to, { family, sourcePort }) => {
    to.writeUInt8(echo[family], 0)
    to.writeUInt16BE(sourcePort, 4)
    to.writeUInt16BE(1, 6)
  },
}

function ipHeader(
  { family, sourcePort }: Probe,
  protocol: number,
  length: number,
  source: Buffer,
  destination: Buffer,
): Buffer {
  const header = Buffer.alloc(ipLengths[family])
  if (family === 6) {
    header.writeUInt8(0x60, 0)
    // The flow label, and the identification below: by them an error of ICMP is known as one about this packet.
    header.writeUInt16BE(sourcePort, 2)
    header.writeUInt16BE(length, 4)
    header.writeUInt8(protocol, 6)
    header.writeUInt8(timeToLive, 7)
    header.set(source, 8)
    header.set(destination, 24)
    return header
  }
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(header.length + length, 2)
  header.writeUInt16BE(sourcePort, 4)
  header.writeUInt16BE(dontFragment, 6)
  header.writeUInt8(timeToLive, 8)
  header.writeUInt8(protocol, 9)
  header.set(source, 12)
  header.set(destination, 16)
  header.writeUInt16BE(checksum(header), 10)
  return header
}

function bytesOf(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray())
}

function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

const names: Readonly<Record<number, Probe['protocol']>> = { 6: 'tcp', 17: 'udp', 1: 'icmp', 58: 'icmp' }
const errors4: ReadonlySet<number> = new Set([3, 11, 12])
const [FRAGMENTATION_NEEDED, PACKET_TOO_BIG] = [4, 2]

/** Of the headers as nftables tells them: that of IP, and the beginning of what follows it. */
export function readHeader(network: Buffer, transport: Buffer): Header | null {
  const version = (network[0] ?? 0) >> 4
  if ((version === 4 ? network.length < 20 : network.length < 40) || transport.length < 8) return null
  const four = version === 4
  if (!four && version !== 6) return null
  const name = names[network.readUInt8(four ? 9 : 6)] ?? 'other'
  const headerBytes = four ? (network.readUInt8(0) & 0xf) * 4 : 40
  const bytes = four ? network.readUInt16BE(2) : 40 + network.readUInt16BE(4)
  const ported = name === 'tcp' || name === 'udp'
  const error = name === 'icmp' ? errorIn(transport, four) : null
  const identifier = name === 'icmp' && !error ? transport.readUInt16BE(4) : 0
  return {
    source: addressText(four ? network.subarray(12, 16) : network.subarray(8, 24)),
    destination: addressText(four ? network.subarray(16, 20) : network.subarray(24, 40)),
    protocol: name,
    sourcePort: ported ? transport.readUInt16BE(0) : identifier,
    port: ported ? transport.readUInt16BE(2) : identifier,
    bytes,
    tcp: name === 'tcp' && transport.length >= 14 ? segmentIn(transport, bytes - headerBytes) : null,
    error,
  }
}

function segmentIn(transport: Buffer, bytes: number): Header['tcp'] {
  return {
    sequence: transport.readUInt32BE(4),
    flags: transport.readUInt8(13) & 0x3f,
    data: Math.max(0, bytes - (transport.readUInt8(12) >> 4) * 4),
  }
}

function errorIn(transport: Buffer, four: boolean): Header['error'] {
  const [type, code] = [transport.readUInt8(0), transport.readUInt8(1)]
  if (four ? !errors4.has(type) : type > 4) return null
  const tooBig = four ? type === 3 && code === FRAGMENTATION_NEEDED : type === PACKET_TOO_BIG
  const mtu = four ? transport.readUInt16BE(6) : transport.readUInt32BE(4)
  return { type, code, mtu: tooBig ? mtu : 0 }
}

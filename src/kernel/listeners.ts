/** What listens on this machine, read from procfs. Source: proc_pid_net(5), net/ipv4/tcp_ipv4.c (get_tcp4_sock). */
import { readFileSync } from 'node:fs'
import ipaddr from 'ipaddr.js'
import type { Listener } from '../model/listeners.ts'

const TCP_LISTEN = '0A'
/** An unconnected UDP socket has the state that TCP calls closed. */
const UDP_UNCONNECTED = '07'

const files = [
  { name: 'tcp', protocol: 'tcp', state: TCP_LISTEN },
  { name: 'tcp6', protocol: 'tcp', state: TCP_LISTEN },
  { name: 'udp', protocol: 'udp', state: UDP_UNCONNECTED },
  { name: 'udp6', protocol: 'udp', state: UDP_UNCONNECTED },
] as const

export function readListeners(): Listener[] {
  return files.flatMap(({ name, protocol, state }) => {
    const lines = readTable(name).split('\n').slice(1)
    return lines.flatMap((line) => {
      const [, local = '', , found, , , , uid] = line.trim().split(/\s+/)
      if (found !== state) return []
      const [address = '', port = ''] = local.split(':')
      return [{ protocol, address: addressOf(address), port: Number.parseInt(port, 16), uid: Number(uid) }]
    })
  })
}

function readTable(name: string): string {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'utf8')
  } catch {
    return ''
  }
}

/** 32-bit words in the machine's byte order, in hexadecimal; every machine that we run on is little-endian. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex')
  bytes.swap32()
  if (bytes.length === 4) return bytes.join('.')
  const address = new ipaddr.IPv6([...bytes])
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String()
}

/**
 * What takes packets beside TCP and UDP: raw sockets, and the kernel's own answers to echo requests. Source:
 * raw_sock_seq_show() in net/ipv4/raw.c, which has the protocol where others have the port.
 */
import { readFileSync } from 'node:fs'
import { type Family, isLoopback } from '../model/address.ts'
import type { RawSocket } from '../model/exposure/exposure.ts'
import { addressText } from './fields.ts'
import { userName } from './holders.ts'

/** A socket of IPPROTO_RAW sends only. */
const IPPROTO_RAW = 255

export function readRawSockets(): RawSocket[] {
  return ([4, 6] as const).flatMap((family) =>
    read(`/proc/thread-self/net/raw${family === 6 ? '6' : ''}`)
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const [, local = '', , , , , , uid] = line.trim().split(/\s+/)
        const [address = '', protocol = ''] = local.split(':')
        if (protocol === '' || Number.parseInt(protocol, 16) === IPPROTO_RAW) return []
        const text = addressOf(address)
        if (isLoopback(text)) return []
        return [
          { family, protocol: Number.parseInt(protocol, 16), address: text, user: userName(Number(uid)) },
        ]
      }),
  )
}

/** Words of four bytes, each in the machine's own order. */
function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? []
  return addressText(Buffer.concat(words.map((word) => Buffer.from(word, 'hex').reverse())))
}

/** The families in which the kernel answers echo requests. */
export function readEcho(): Family[] {
  const switches = { 4: 'ipv4/icmp_echo_ignore_all', 6: 'ipv6/icmp/echo_ignore_all' } as const
  return ([4, 6] as const).filter((family) => read(`/proc/sys/net/${switches[family]}`).trim() !== '1')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

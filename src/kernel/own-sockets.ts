/**
 * Whether a netlink port is a socket of this process. libnftables does not tell the port of its socket and may open
 * another one at any time; process numbers would not do, as the kernel tells those of the initial namespace.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { NETLINK_NETFILTER } from './netlink.ts'

/** /proc/net/netlink: `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`, where Pid is the port (net/netlink/af_netlink.c). */
export function ownsSocket(port: number): boolean {
  const sockets = readFileSync('/proc/thread-self/net/netlink', 'latin1').split('\n').slice(1)
  const found = sockets
    .map((line) => line.trim().split(/\s+/))
    .find(([, protocol, owner]) => Number(protocol) === NETLINK_NETFILTER && Number(owner) === port)
  const inode = found?.at(-1)
  return (
    inode !== undefined && readdirSync('/proc/self/fd').some((fd) => targetOf(fd) === `socket:[${inode}]`)
  )
}

/** A descriptor may be closed meanwhile; the one that lists the directory is. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

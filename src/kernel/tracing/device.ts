/**
 * A device of our own into which packets are written that then arrive by another one: a TUN whose ingress is redirected to
 * the ingress of that interface (act_mirred), so that all hooks, rules and rp_filter are met as by a packet from the wire. It
 * needs no route and no rule, and the kernel takes it away with its descriptor, however this process ends.
 * Source: Documentation/networking/tuntap.rst, tc-u32(8), tc-mirred(8), include/uapi/linux/{pkt_sched,pkt_cls,tc_act/tc_mirred}.h.
 */
import { closeSync, constants, existsSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import koffi from 'koffi'
import { KernelError, type Netlink } from '../netlink.ts'
import { interfaceIndex, routeAttribute, routeMessage } from '../rtnetlink.ts'

const libc = koffi.load('libc.so.6')
const ioctl = libc.func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)')
const close = libc.func('int close(int fd)')
const closeElsewhere = promisify((fd: number, done: (error: Error | null, result: number) => void) =>
  close.async(fd, done),
)

const TUNSETIFF = 0x400454ca
const IFF_TUN_NO_PI = 0x1001
const ifreqLength = 40
const namePattern = 'drawbridge%d'
const [RTM_NEWLINK, RTM_NEWQDISC, RTM_NEWTFILTER] = [16, 36, 44]
const REQUEST_ACK = 0x1 | 0x4
const CREATE_EXCLUSIVELY = 0x400 | 0x200
const IFF_UP = 1
const TC_H_CLSACT = 0xfffffff1
const CLSACT_HANDLE = 0xffff0000
const CLSACT_INGRESS = 0xfffffff2
/** Priority 1, for every protocol (ETH_P_ALL in network order). */
const FIRST_FOR_ALL = 0x00010300
const [TCA_KIND, TCA_OPTIONS, TCA_U32_SEL, TCA_U32_ACT] = [1, 2, 5, 7]
const [TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_MIRRED_PARMS] = [1, 2, 2]
const [TC_ACT_STOLEN, TCA_INGRESS_REDIR] = [4, 3]

export interface ProbeDevice {
  /** One packet, which arrives by the interface. */
  readonly send: (packet: Buffer) => void
  /** Resolves when the device is gone. */
  readonly close: () => Promise<void>
}

export function openProbeDevice(routes: Netlink, by: string): ProbeDevice {
  const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK)
  try {
    const name = makeDevice(fd)
    const index = interfaceIndex(name)
    // It has no network of its own: no address, no router solicitations.
    const disabled = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`
    if (existsSync(disabled)) writeFileSync(disabled, '1')
    routes.request(linkUp(index), 'switching the device of a probe on')
    routes.request(classifier(index), 'preparing the device of a probe')
    routes.request(redirection(index, interfaceIndex(by)), 'redirecting the device of a probe')
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return {
    send: (packet) => void writeSync(fd, packet),
    close: async () => void (await closeElsewhere(fd)),
  }
}

/** Not persistent: it goes with the descriptor. */
function makeDevice(fd: number): string {
  const request = Buffer.alloc(ifreqLength)
  request.write(namePattern, 0, 'latin1')
  request.writeUInt16LE(IFF_TUN_NO_PI, 16)
  if (ioctl(fd, TUNSETIFF, request) < 0) throw new KernelError(koffi.errno(), 'making the device of a probe')
  return request.toString('latin1', 0, request.indexOf(0))
}

function linkUp(index: number): Buffer {
  const body = Buffer.alloc(16)
  body.writeInt32LE(index, 4)
  body.writeUInt32LE(IFF_UP, 8)
  body.writeUInt32LE(IFF_UP, 12)
  return routeMessage(RTM_NEWLINK, REQUEST_ACK, [body])
}

function classifier(index: number): Buffer {
  const parts = [
    trafficControl(index, CLSACT_HANDLE, TC_H_CLSACT, 0),
    routeAttribute(TCA_KIND, Buffer.from('clsact\0')),
  ]
  return routeMessage(RTM_NEWQDISC, REQUEST_ACK | CREATE_EXCLUSIVELY, parts)
}

/** All that comes in here comes in there. u32 with a mask of nothing takes every packet, and is in every kernel with tc. */
function redirection(from: number, to: number): Buffer {
  const everything = Buffer.alloc(32)
  everything.writeUInt8(1, 0)
  everything.writeUInt8(1, 2)
  const mirred = Buffer.alloc(28)
  mirred.writeInt32LE(TC_ACT_STOLEN, 8)
  mirred.writeInt32LE(TCA_INGRESS_REDIR, 20)
  mirred.writeUInt32LE(to, 24)
  const action = routeAttribute(1, [
    routeAttribute(TCA_ACT_KIND, Buffer.from('mirred\0')),
    routeAttribute(TCA_ACT_OPTIONS, [routeAttribute(TCA_MIRRED_PARMS, mirred)]),
  ])
  return routeMessage(RTM_NEWTFILTER, REQUEST_ACK | CREATE_EXCLUSIVELY, [
    trafficControl(from, 0, CLSACT_INGRESS, FIRST_FOR_ALL),
    routeAttribute(TCA_KIND, Buffer.from('u32\0')),
    routeAttribute(TCA_OPTIONS, [
      routeAttribute(TCA_U32_SEL, everything),
      routeAttribute(TCA_U32_ACT, [action]),
    ]),
  ])
}

/** struct tcmsg */
function trafficControl(index: number, handle: number, parent: number, info: number): Buffer {
  const body = Buffer.alloc(20)
  body.writeInt32LE(index, 4)
  body.writeUInt32LE(handle, 8)
  body.writeUInt32LE(parent, 12)
  body.writeUInt32LE(info, 16)
  return body
}

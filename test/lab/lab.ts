/**
 * Five machines as network namespaces:
 *
 *   client ─── out0 gateway in0 ─── switch ─── server
 *                                          └── other
 *
 * The bridge has a namespace of its own, so that the gateway has plain interfaces like most gateways. Several labs can
 * stand side by side, as their namespaces have names of their own.
 */
import { randomBytes } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { isIPv4, isIPv6 } from 'node:net'
import { type Host, hostAt } from './host.ts'
import { enter, run, runToEnd } from './process.ts'

interface Gateway extends Host {
  readonly outside: string
  readonly outside6: string
  /** Another public address. */
  readonly second: string
  readonly second6: string
  readonly inside: string
  readonly inside6: string
}

interface Client extends Host {
  /** Every address it has, of both families. */
  readonly addresses: readonly string[]
}

export interface Lab {
  readonly client: Client
  readonly gateway: Gateway
  readonly server: Host
  readonly other: Host
  /** The bridge between the inside hosts. */
  readonly switch: Host
  /** Has what is to be done at the end done then: the latest first, before the namespaces go. */
  defer(work: () => Promise<void>): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What a test's context gives. */
interface Finishing {
  onTestFinished(work: () => Promise<void>): void
}

const outside = { outside: '203.0.113.1', outside6: '2001:db8:1::1' }
const second = { second: '203.0.113.9', second6: '2001:db8:1::9' }
const inside = { inside: '10.0.0.1', inside6: 'fd00::1' }
const clientAddresses = ['203.0.113.2', '203.0.113.3', '203.0.113.4', '2001:db8:1::2', '2001:db8:1::3']

/** What each machine is told, in the words of ip(8). The client knows no way to the inside. */
const machines = {
  client: ['link set lo up', ...addressed('eth0', clientAddresses), 'link set eth0 up'],
  switch: [
    'link add inside type bridge mcast_snooping 0',
    'link set inside up',
    ...['gateway', 'server', 'other'].map((port) => `link set ${port} master inside up`),
  ],
  gateway: [
    'link set lo up',
    ...addressed('out0', [...Object.values(outside), ...Object.values(second)]),
    ...addressed('in0', Object.values(inside)),
    'link set out0 up',
    'link set in0 up',
    'route add default via 203.0.113.2',
    'route add default via 2001:db8:1::2',
  ],
  server: insideHost(['10.0.0.5', 'fd00::5']),
  other: insideHost(['10.0.0.6', 'fd00::6']),
} as const satisfies Record<string, readonly string[]>

type Name = keyof typeof machines
const names = Object.keys(machines) as Name[]

/** The kernel prefers the first of several IPv4 addresses and the last of several IPv6 addresses as its own: ours is the first. */
function addressed(link: string, addresses: readonly string[]): string[] {
  const [six, four] = [addresses.filter(isIPv6).reverse(), addresses.filter(isIPv4)]
  return [
    ...four.map((one) => `address add ${one}/24 dev ${link}`),
    ...six.map((one) => `address add ${one}/64 dev ${link} nodad`),
  ]
}

function insideHost(addresses: readonly string[]): string[] {
  const routes = [`route add default via ${inside.inside}`, `route add default via ${inside.inside6}`]
  return ['link set lo up', ...addressed('eth0', addresses), 'link set eth0 up', ...routes]
}

/** Switched off before anything is connected: each of these would make a test slow, or its outcome a matter of chance. */
const switchedOff = [
  'ipv4/ip_forward', // an initial network that forwards would hand it down
  'ipv6/conf/all/forwarding',
  'ipv4/conf/*/rp_filter',
  'ipv6/conf/*/accept_dad', // an address is unusable for a second while duplicates are looked for
  'ipv4/icmp_ratelimit', // "port unreachable" once a second only would turn refusals into timeouts
  'ipv6/icmp/ratelimit',
  'bridge/bridge-nf-call-*', // the switch is a switch, not a firewall
]

const prepare = `
cd /proc/sys/net
for file in ${switchedOff.join(' ')}; do
  [ ! -w "$file" ] || echo 0 >"$file"
done
exec ip -batch -`

/** Builds the lab; the end of the test (`t`), `close` or `await using` takes it away. */
export async function startLab(t?: Finishing): Promise<Lab> {
  refuseThisMachine()
  const id = randomBytes(4).toString('hex')
  const at = (name: Name) => `${name}-${id}`
  const work: (() => Promise<void>)[] = []
  const defer = (one: () => Promise<void>) => void work.push(one)
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= undo(work)
    return closed
  }
  t?.onTestFinished(close)
  defer(async () => {
    await runToEnd(['ip', '-force', '-batch', '-'], {
      input: lines(names.map((one) => `netns del ${at(one)}`)),
    })
  })
  try {
    await run(['ip', '-batch', '-'], { input: lines(wiring(at)) })
    await Promise.all(
      names.map((name) => run([...enter(at(name)), 'sh', '-ec', prepare], { input: lines(machines[name]) })),
    )
  } catch (error) {
    await close()
    throw error
  }
  const host = (name: Name, ip: string, ip6: string) => hostAt({ name, namespace: at(name), ip, ip6 }, defer)
  const gateway = host('gateway', outside.outside, outside.outside6)
  const client = host('client', '203.0.113.2', '2001:db8:1::2')
  return {
    client: { ...client, addresses: clientAddresses },
    gateway: { ...gateway, ...outside, ...second, ...inside },
    server: host('server', '10.0.0.5', 'fd00::5'),
    other: host('other', '10.0.0.6', 'fd00::6'),
    switch: host('switch', '', ''),
    defer,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Both ends of each cable are made where they belong, so that names need to be unique nowhere else. The two ends have
 * different indexes: with equal ones the kernel would take up to a second to notice the carrier
 * (linkwatch_urgent_event in net/core/link_watch.c).
 */
function wiring(at: (name: Name) => string): string[] {
  const cable = (link: string, of: Name, index: number, peer: string, to: Name) =>
    `link add ${link} index ${index} netns ${at(of)} type veth peer name ${peer} netns ${at(to)}`
  return [
    ...names.map((name) => `netns add ${at(name)}`),
    cable('out0', 'gateway', 101, 'eth0', 'client'),
    cable('in0', 'gateway', 102, 'gateway', 'switch'),
    cable('eth0', 'server', 103, 'server', 'switch'),
    cable('eth0', 'other', 104, 'other', 'switch'),
  ]
}

const lines = (commands: readonly string[]) => commands.map((one) => `${one}\n`).join('')

/** Everything is tried, whatever fails: what is left over would disturb the next lab. */
async function undo(work: (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (let one = work.pop(); one; one = work.pop()) await one().catch((error) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}

function refuseThisMachine(): void {
  if (process.env.DRAWBRIDGE_LAB === readlinkSync('/proc/self/ns/net')) return
  throw new Error('a lab needs a private world: sh test/lab/isolate.sh COMMAND')
}

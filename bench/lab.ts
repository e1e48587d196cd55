/**
 * The wires: a client and a server with any number of gateways side by side between them, so that a round of
 * measurements changes nothing but the address it connects to. Addresses are those kept for benchmarks (RFC 2544).
 */
import { type Namespace, namespace, run } from './commands.ts'

/** How many addresses the client has on the wire to each gateway: with one, its ports would run out. */
const sources = 8

export const targetPort = 9000

export interface Gateway extends Namespace {
  /** The address that the client connects to. */
  readonly outside: string
  /** Where all its forwards lead. */
  readonly target: string
  /** That one and three more, all of the same server. */
  readonly targets: readonly string[]
  /** The client's addresses on the wire to this gateway: the first one, how many, and the network they are in. */
  readonly firstSource: string
  readonly sources: number
  readonly sourceNetwork: string
}

export interface Lab {
  readonly client: Namespace
  readonly server: Namespace
  readonly addGateway: (name: string) => Promise<Gateway>
}

export async function startLab(): Promise<Lab> {
  const client = await addNamespace('client')
  const server = await addNamespace('server')
  let gateways = 0
  return {
    client,
    server,
    addGateway: (name) => {
      gateways += 1
      return addGateway(name, gateways)
    },
  }
}

/** A namespace that only has a loopback interface. */
export async function addNamespace(name: string): Promise<Namespace> {
  await run('ip', 'netns', 'add', name)
  await run('ip', '-n', name, 'link', 'set', 'lo', 'up')
  return namespace(name)
}

async function addGateway(name: string, number: number): Promise<Gateway> {
  const made = await addNamespace(name)
  const [out, inside] = [`198.18.${number}`, `198.19.${number}`]
  const ip = (where: string, command: string) => run('ip', '-n', where, ...command.split(' '))
  await run('ip', ...`link add to-${name} netns client type veth peer name out netns ${name}`.split(' '))
  await run('ip', ...`link add to-${name} netns server type veth peer name in netns ${name}`.split(' '))
  for (let host = 10; host < 10 + sources; host += 1) {
    await ip('client', `addr add ${out}.${host}/24 dev to-${name}`)
  }
  await ip(name, `addr add ${out}.1/24 dev out`)
  await ip(name, `addr add ${inside}.1/24 dev in`)
  for (const host of [2, 3, 4, 5]) await ip('server', `addr add ${inside}.${host}/24 dev to-${name}`)
  await ip('client', `link set to-${name} up`)
  await ip('server', `link set to-${name} up`)
  await ip(name, 'link set out up')
  await ip(name, 'link set in up')
  await ip(name, `route add default via ${out}.10`)
  await ip('server', `route add ${out}.0/24 via ${inside}.1`)
  // A gateway, as one has it: it forwards already, and its own rules say what.
  await made.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  return {
    ...made,
    outside: `${out}.1`,
    target: `${inside}.2`,
    targets: [2, 3, 4, 5].map((host) => `${inside}.${host}`),
    firstSource: `${out}.10`,
    sources,
    sourceNetwork: '198.18.0.0/16',
  }
}

/** Ended connections are forgotten after a second, or the connection table fills and every row measures only that. */
export async function forgetQuickly(gateway: Gateway): Promise<void> {
  const states = ['close', 'time_wait', 'last_ack', 'fin_wait', 'close_wait']
  const settings = states.map((state) => `net.netfilter.nf_conntrack_tcp_timeout_${state}=1`)
  await gateway.run('sysctl', '-qw', ...settings)
}

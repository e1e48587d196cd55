/** Docker's containers as values: what it says is checked, as names and addresses of it reach people and the kernel. */
import { z } from 'zod'
import { type Address, readAddress, whyUnusableAsTarget } from '../../model/address.ts'
import {
  type Container,
  type ContainerPort,
  chosenAddresses,
  type Membership,
  type PublishedPort,
} from '../../model/container.ts'
import type { Transport } from '../../model/listen.ts'
import { ask } from './daemon.ts'

const endpoint = z.object({
  NetworkID: z.string().optional(),
  IPAddress: z.string().optional(),
  GlobalIPv6Address: z.string().optional(),
})

/** `GET /containers/json`; more is in it than is read. */
const listed = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()).nullable(),
    State: z.string(),
    HostConfig: z.object({ NetworkMode: z.string().optional() }).optional(),
    NetworkSettings: z.object({ Networks: z.record(z.string(), endpoint.nullable()).nullable() }).nullish(),
    Ports: z
      .array(
        z.object({
          PrivatePort: z.int(),
          PublicPort: z.int().optional(),
          Type: z.string(),
          IP: z.string().optional(),
        }),
      )
      .nullish(),
  }),
)

/** `GET /networks` */
const networkList = z.array(
  z.object({ Id: z.string(), Driver: z.string(), Internal: z.boolean().optional() }),
)

type Listed = z.infer<typeof listed>[number]
type Network = z.infer<typeof networkList>[number]

/** As Docker allows them. */
const containerName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
/** Their members are reached by way of another network, or from other machines only. */
const unreached = ['overlay', 'macvlan', 'ipvlan', 'host', 'null']

/** What changes the name, the state or an address of a container. */
const telling = {
  type: ['container', 'network'],
  event: ['start', 'die', 'destroy', 'rename', 'connect', 'disconnect'],
}
export const eventsPath = `/events?filters=${encodeURIComponent(JSON.stringify(telling))}`

/** Every container that there is, the stopped ones too. */
export async function readContainers(socket: string): Promise<readonly Container[]> {
  const [containers, known] = await Promise.all([
    ask(socket, '/containers/json?all=true').then((answer) => listed.parse(answer)),
    ask(socket, '/networks').then((answer) => networkList.parse(answer)),
  ]).catch((error: Error) => {
    throw error instanceof z.ZodError ? new Error('its answer is not understood', { cause: error }) : error
  })
  const networksById = new Map(known.map((network) => [network.Id, network]))
  const containersById = new Map(containers.map((one) => [one.Id, one]))
  return containers
    .flatMap((one) => containerOf(one, networkOwner(one, containersById), networksById) ?? [])
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** A container may live in the network of another (`--network container:web`), and has its addresses then. */
function networkOwner(one: Listed, known: ReadonlyMap<string, Listed>): Listed {
  const id = /^container:(.+)$/.exec(one.HostConfig?.NetworkMode ?? '')?.[1]
  return known.get(id ?? '') ?? one
}

function containerOf(
  one: Listed,
  owner: Listed,
  networks: ReadonlyMap<string, Network>,
): Container | undefined {
  const name = nameOf(one)
  if (name === undefined) return undefined
  const running = [one, owner].every(({ State }) => ['running', 'paused'].includes(State))
  const memberships = membershipsOf(owner, networks)
  return {
    name,
    running,
    onHost: owner.HostConfig?.NetworkMode === 'host',
    addresses: running ? chosenAddresses(memberships) : [],
    everyAddress: membershipsOf(one, networks).flatMap(({ addresses }) => addresses),
    exposed: exposedPorts(one),
    published: publishedPorts(one),
  }
}

function membershipsOf(one: Listed, networks: ReadonlyMap<string, Network>): readonly Membership[] {
  return Object.entries(one.NetworkSettings?.Networks ?? {}).map(([network, endpoint]) => {
    const { Driver = '', Internal = false } = networks.get(endpoint?.NetworkID ?? '') ?? {}
    const addresses = [endpoint?.IPAddress, endpoint?.GlobalIPv6Address].flatMap(
      (text) => usable(text ?? '') ?? [],
    )
    return { network, reached: !unreached.includes(Driver), internal: Internal, addresses }
  })
}

/** A link of old gives a container a further name, below that of another: `/other/alias`. */
function nameOf({ Names }: Listed): string | undefined {
  const plain = Names?.map((name) => name.replace(/^\//, '')) ?? []
  return plain.find((name) => containerName.test(name))
}

function usable(text: string): Address | undefined {
  const address = readAddress(text)
  return address && whyUnusableAsTarget(address) === undefined ? address : undefined
}

type Port = NonNullable<Listed['Ports']>[number]

const transports: readonly string[] = ['tcp', 'udp'] satisfies Transport[]
const isTransport = (type: string): type is Transport => transports.includes(type)

/** One that is published at several addresses is there as often. */
function exposedPorts({ Ports }: Listed): readonly ContainerPort[] {
  const found = (Ports ?? []).flatMap(({ Type, PrivatePort }: Port) =>
    isTransport(Type) ? [{ protocol: Type, port: PrivatePort }] : [],
  )
  return [...new Map(found.map((one) => [`${one.protocol}/${one.port}`, one])).values()]
}

function publishedPorts({ Ports }: Listed): readonly PublishedPort[] {
  return (Ports ?? []).flatMap(({ Type, PublicPort, IP = '' }: Port) => {
    const address = readAddress(IP)?.text
    return isTransport(Type) && PublicPort !== undefined && address !== undefined
      ? [{ protocol: Type, port: PublicPort, address }]
      : []
  })
}

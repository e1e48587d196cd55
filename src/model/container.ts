/** Containers of this machine, as Docker tells of them. */
import type { Address, Family } from './address.ts'
import type { Transport } from './listen.ts'

export interface Container {
  readonly name: string
  readonly running: boolean
  /** In the network of this machine: it has no address of its own. */
  readonly onHost: boolean
  /** Those by which this machine reaches it, at most one of each family, IPv4 first. */
  readonly addresses: readonly Address[]
  /** All that it has, in whatever network. */
  readonly everyAddress: readonly Address[]
  /** What its image or whoever started it names, in its own numbers. */
  readonly exposed: readonly ContainerPort[]
  /** Ports of this machine that Docker leads to it. */
  readonly published: readonly PublishedPort[]
}

export interface ContainerPort {
  readonly protocol: Transport
  readonly port: number
}

/** `address` is 0.0.0.0 or :: for all. */
export interface PublishedPort extends ContainerPort {
  readonly address: string
}

/** What is known of Docker's containers. */
export interface Containers {
  /** `none`: no Docker runs here; `silent`: it does not answer, and what is known is from before. */
  readonly docker: 'none' | 'silent' | 'followed'
  /** Why it does not answer; '' when it does. */
  readonly trouble: string
  readonly containers: readonly Container[]
}

export const noContainers: Containers = { docker: 'none', trouble: '', containers: [] }

/** A network that a container is in. `reached`: this machine has a way into it. */
export interface Membership {
  readonly network: string
  readonly reached: boolean
  /** Docker gives its members no way out. */
  readonly internal: boolean
  readonly addresses: readonly Address[]
}

/**
 * Of several networks the first by name that this machine reaches and that has an address of the family, those with a way
 * out before those without, as replies to clients from elsewhere need one.
 */
export function chosenAddresses(memberships: readonly Membership[]): readonly Address[] {
  const inOrder = memberships
    .filter(({ reached }) => reached)
    .sort((a, b) => Number(a.internal) - Number(b.internal) || (a.network < b.network ? -1 : 1))
  const all = inOrder.flatMap(({ addresses }) => addresses)
  return ([4, 6] as const satisfies Family[]).flatMap(
    (family) => all.find((address) => address.family === family) ?? [],
  )
}

/** The container that has this address. */
export function containerAt(containers: readonly Container[], address: string): Container | undefined {
  return containers.find(({ everyAddress }) => everyAddress.some(({ text }) => text === address))
}

/** The container for which Docker itself holds this socket (docker-proxy). */
export function containerBehind(
  containers: readonly Container[],
  { protocol, address, port }: PublishedPort,
): Container | undefined {
  return containers.find(({ published }) =>
    published.some((one) => one.protocol === protocol && one.port === port && one.address === address),
  )
}

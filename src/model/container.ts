/** Containers of this machine, as Docker tells of them. */
import type { Address, Family } from './address.ts'
import { printDestination } from './destination.ts'
import { nearest } from './document.ts'
import type { Whereabouts } from './endpoints.ts'
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

/** What each of them stands for as a target; nothing, for one that has no address. */
export function whereaboutsOf(containers: readonly Container[]): Whereabouts {
  return new Map(
    containers.map(({ name, addresses }) => [
      printDestination({ kind: 'container', name }),
      addresses.map((address) => ({ address })),
    ]),
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

/** Why a name stands for no address. */
export type Missing =
  /** No Docker has ever been seen. */
  | { readonly kind: 'no-docker' }
  /** Docker does not answer, and has not named it before. */
  | { readonly kind: 'unasked' }
  | { readonly kind: 'unknown'; readonly nearest: readonly string[] }
  | { readonly kind: 'stopped' }
  /** It lives in the network of this machine. */
  | { readonly kind: 'on-host' }
  /** Its networks, if it has any, are none that this machine reaches. */
  | { readonly kind: 'unreached' }

/** Undefined where it has an address. */
export function missingOf({ docker, containers }: Containers, name: string): Missing | undefined {
  if (docker === 'none') return { kind: 'no-docker' }
  const found = containers.find((one) => one.name === name)
  if (!found && docker === 'silent') return { kind: 'unasked' }
  if (!found) return { kind: 'unknown', nearest: nearestOf(containers, name) }
  if (found.addresses.length > 0) return undefined
  if (found.onHost) return { kind: 'on-host' }
  return { kind: found.running ? 'unreached' : 'stopped' }
}

const mostNearest = 3

/** The likeliest first: those whose name has it, as Compose puts the project before and a number behind; then the most alike. */
function nearestOf(containers: readonly Container[], name: string): readonly string[] {
  const names = containers.map((one) => one.name)
  const holding = names.filter((one) => one.includes(name) || name.includes(one))
  const alike = nearest(name, names)
  return [...new Set([...holding, ...(alike === '' ? [] : [alike])])].slice(0, mostNearest)
}

/** What is so of a target that has no address, in a sentence that names the forward before. */
export function describeMissing(name: string, missing: Missing): string {
  switch (missing.kind) {
    case 'no-docker':
      return `container ${name} cannot be looked up, as Docker does not run here; new connections are refused until it does`
    case 'unasked':
      return `container ${name} cannot be looked up, as Docker does not answer; new connections are refused until it does`
    case 'unknown':
      return `there is no container ${name}; new connections to it are refused until there is one`
    case 'stopped':
      return `container ${name} does not run; new connections to it are refused until it does`
    case 'on-host':
      return `container ${name} is in the network of this machine and has no address of its own; new connections to it are refused: its service is opened by self:PORT`
    case 'unreached':
      return `container ${name} is in no network that this machine reaches; new connections to it are refused until it is`
  }
}

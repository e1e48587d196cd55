/** What is said of targets that are containers. */
import type { AgentClient } from '../agent/client.ts'
import { type Bridge, isOn } from '../model/bridge.ts'
import {
  type Containers,
  describeMissing,
  type Missing,
  missingOf,
  whereaboutsOf,
} from '../model/container.ts'
import { endpointsOf, namesContainer } from '../model/endpoints.ts'
import type { Forward } from '../model/forward.ts'
import { mapPort } from '../model/mapping.ts'
import { countPorts, eachPort } from '../model/ports.ts'
import { Problem } from '../model/problem.ts'
import type { Target } from '../model/target.ts'
import { unlessAway } from './sight.ts'

/** Undefined where none of these forwards names a container, or the agent does not answer. */
export async function containersFor(
  agent: AgentClient,
  forwards: readonly Forward[],
): Promise<Containers | undefined> {
  if (!forwards.some(namesContainer)) return undefined
  return unlessAway(agent.ask({ verb: 'containers' }))
}

/** Why targets that a change brings cannot be; one that is stopped can start again. */
export function containerProblems(
  before: ReadonlyMap<string, Forward>,
  put: readonly Forward[],
  containers: Containers | undefined,
): readonly Problem[] {
  if (!containers) return []
  return put.flatMap((forward) => {
    const known = new Set(namesIn(before.get(forward.name)))
    return namesIn(forward)
      .filter((name) => !known.has(name))
      .flatMap((name) => problemOf(forward, name, missingOf(containers, name)) ?? [])
  })
}

function namesIn(forward: Forward | undefined): readonly string[] {
  return (forward?.targets ?? []).flatMap(({ destination }) =>
    destination.kind === 'container' ? [destination.name] : [],
  )
}

function problemOf(
  { name: forward }: Forward,
  name: string,
  missing: Missing | undefined,
): Problem | undefined {
  switch (missing?.kind) {
    case 'no-docker':
      return Problem.of('no-docker', { forward, name })
    case 'unknown':
      return Problem.of('no-such-container', {
        forward,
        name,
        nearest: missing.nearest.map((one) => `container:${one}`).join(' or '),
      })
    case 'on-host':
      return Problem.of('container-on-host', { forward, name })
    case 'unreached':
      return Problem.of('container-unreached', { forward, name })
    default:
      return undefined
  }
}

/** What stands against these forwards now, a sentence each. */
export function containerSentences(
  forwards: readonly Forward[],
  containers: Containers | undefined,
): readonly string[] {
  const concerned = forwards.filter((forward) => forward.enabled && namesContainer(forward))
  if (!containers || concerned.length === 0) return []
  const silent = `Docker does not answer (${containers.trouble}): forwards go on to where their containers were`
  return [
    ...(containers.docker === 'silent' ? [silent] : []),
    ...concerned.flatMap((forward) =>
      namesIn(forward).flatMap((name) => {
        const missing = missingOf(containers, name)
        return missing ? [`${forward.name}: ${describeMissing(name, missing)}`] : []
      }),
    ),
  ]
}

/** A container need not say on which ports it listens; where it does, another one is worth a word. */
export function portSentences(
  forwards: readonly Forward[],
  containers: Containers | undefined,
): readonly string[] {
  return forwards.flatMap((forward) =>
    forward.targets.flatMap((target) => unexposed(forward, target, containers) ?? []),
  )
}

/** Of an opening of more ports it is not looked at. */
const mostPorts = 100

function unexposed(
  { name, listen }: Forward,
  { destination, ports }: Target,
  containers: Containers | undefined,
): string | undefined {
  if (destination.kind !== 'container' || listen.kind === 'ping' || countPorts(listen.ports) > mostPorts)
    return undefined
  const { exposed = [] } = containers?.containers.find((one) => one.name === destination.name) ?? {}
  if (exposed.length === 0) return undefined
  const known = new Set(exposed.map(({ protocol, port }) => `${protocol}/${port}`))
  const wanted = listen.protocols.flatMap((protocol) =>
    [...eachPort(listen.ports)].map((port) => `${protocol}/${mapPort(ports, port, listen)}`),
  )
  const others = [...new Set(wanted)].filter((one) => !known.has(one))
  if (others.length === 0) return undefined
  return `${name}: container ${destination.name} names ${[...known].join(', ')} as its ports, and not ${others.join(', ')}`
}

/** Of so many forwards it is looked at whether they lead to a bridge. */
const mostForwards = 2000

/** Whether one of them leads to who is on the bridge. */
export function leadTo(
  bridge: Bridge,
  forwards: readonly Forward[],
  containers: Containers | undefined,
): boolean {
  const whereabouts = whereaboutsOf(containers?.containers ?? [])
  return forwards
    .slice(0, mostForwards)
    .some(
      (forward) =>
        forward.enabled &&
        endpointsOf(forward, { whereabouts, down: new Map() }).some(({ address }) => isOn(bridge, address)),
    )
}

/** What is said of services of this machine that are opened: who serves them, and what the firewalls here make of it. */
import type { AgentClient } from '../agent/client.ts'
import { allowancesOf } from '../compile/allowances.ts'
import type { Lists } from '../compile/elements.ts'
import type { Allowance } from '../model/allowance.ts'
import { barredOf, unguardedOf } from '../model/exposure/opened.ts'
import { isGated, remedyAt } from '../model/exposure/remedy.ts'
import { type Forward, isOwn } from '../model/forward.ts'
import type { Mark } from '../model/gateway.ts'
import { describeHolder, type Holder } from '../model/holder.ts'
import { printListen } from '../model/listen.ts'
import { Problem } from '../model/problem.ts'
import { type Serving, servingOf } from '../model/serving.ts'
import type { Mood, Surroundings } from './conflicts.ts'
import { holdersOf } from './holders.ts'

/** Those among some forwards that open services of this machine. */
export interface Opened {
  readonly inForce: boolean
  readonly forwards: readonly Forward[]
  readonly allowances: readonly Allowance[]
  readonly mark: Mark
}

export function openedAmong(
  forwards: Iterable<Forward>,
  { lists, mark }: { readonly lists: Lists; readonly mark: Mark },
  inForce: boolean,
): Opened {
  const own = [...forwards].filter((forward) => forward.enabled && isOwn(forward))
  return {
    inForce,
    forwards: own,
    allowances: own.flatMap((forward) => allowancesOf(forward, lists, undefined)),
    mark,
  }
}

/** Those that were not open before. */
export function openedAnew(
  before: ReadonlyMap<string, Forward>,
  put: readonly Forward[],
): readonly Forward[] {
  return put.filter((forward) => {
    const held = before.get(forward.name)
    const wasOpen = held?.enabled && isOwn(held) && printListen(held.listen) === printListen(forward.listen)
    return forward.enabled && isOwn(forward) && !wasOpen
  })
}

/** Why these cannot be opened. */
export async function loopbackProblems(
  agent: AgentClient,
  forwards: readonly Forward[],
  surroundings: Surroundings,
): Promise<readonly Problem[]> {
  const barred = forwards
    .flatMap((one) => servingOf(one, surroundings))
    .filter(({ kind }) => kind === 'loopback')
  return (await withHolders(agent, barred)).map(({ forward, what, addresses, service }) =>
    Problem.of('loopback-only', { name: forward.name, what, service, addresses: addresses.join(' and ') }),
  )
}

/**
 * What keeps these from being reached, in sentences. Before they are in force, neighbours have not been asked for anything,
 * and what is served on loopback is refused rather than told; afterwards a service on some addresses is meant.
 */
export async function openedSentences(
  agent: AgentClient,
  opened: Opened,
  surroundings: Surroundings,
  mood: Mood,
): Promise<readonly string[]> {
  if (opened.forwards.length === 0) return []
  const serving = opened.forwards.flatMap((one) => servingOf(one, surroundings))
  const told = serving.filter(({ kind }) => kind !== (opened.inForce ? 'partly' : 'loopback'))
  const machine = await agent.ask({ verb: 'exposed' }).catch(() => undefined)
  const barred = machine ? barredOf(machine, opened.allowances, opened.mark) : []
  return [
    ...(await withHolders(agent, told)).map((one) => servingSentence(one, mood)),
    ...barred
      .filter(({ place }) => machine && (opened.inForce || !place || !isGated(machine.filters, place)))
      .map(({ forward, family, rule, place }) => {
        const remedy = machine && place ? remedyAt(machine.filters, place, opened.mark) : null
        return `${forward}: no connection over IPv${family} arrives, as it is ${rule}${remedy === null ? '' : `; this admits what is opened here and nothing else: ${remedy}`}`
      }),
  ]
}

/** Where nothing but the forward itself keeps others out, one sentence says so. */
export async function unguardedSentence(agent: AgentClient, opened: Opened): Promise<readonly string[]> {
  if (opened.forwards.length === 0) return []
  const machine = await agent.ask({ verb: 'exposed' }).catch(() => undefined)
  const names = machine ? unguardedOf(machine, opened.allowances) : []
  if (names.length === 0) return []
  return [
    `no firewall of this machine keeps anybody from ${names.join(', ')}: who may connect is said by the forward alone, and once it is closed everybody may`,
  ]
}

type Held = Serving & { readonly service: string }

async function withHolders(agent: AgentClient, serving: readonly Serving[]): Promise<readonly Held[]> {
  const listeners = serving.flatMap(({ listener }) => listener ?? [])
  const holders = await holdersOf(agent, listeners)
  const known = new Map(listeners.map((listener, at) => [listener, holders[at]]))
  return serving.map((one) => ({
    ...one,
    service: serviceOf(one, one.listener ? known.get(one.listener) : undefined),
  }))
}

function serviceOf({ listener }: Serving, holder: Holder | undefined): string {
  if (!listener) return 'nobody'
  return describeHolder(holder ?? { user: `uid ${listener.uid}`, unit: null, program: null, pid: null })
}

function servingSentence({ forward, kind, what, addresses, service }: Held, mood: Mood): string {
  const { name, listen } = forward
  const at = addresses.join(' and ')
  switch (kind) {
    case 'nobody':
      return `${name}: nobody listens on ${what} of this machine; it ${mood === 'go' ? 'is' : 'would be'} open for whoever does`
    case 'loopback':
      return `${name}: ${service} serves ${what} on ${at} only, where nothing from outside arrives`
    case 'elsewhere':
      return `${name}: ${service} serves ${what} on ${at} only, and not where ${printListen(listen)} is open`
    case 'partly':
      return `${name}: ${service} serves ${what} on ${at} only; at other addresses of this machine nobody answers`
  }
}

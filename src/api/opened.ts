/** What is said of services of this machine that are opened: who serves them, and what the firewalls here make of it. */
import type { AgentClient } from '../agent/client.ts'
import { allowancesOf } from '../compile/allowances.ts'
import type { Lists } from '../compile/elements.ts'
import type { Allowance } from '../model/allowance.ts'
import type { Barred } from '../model/exposure/opened.ts'
import { isGated, remedyAt } from '../model/exposure/remedy.ts'
import { type Forward, isOwn } from '../model/forward.ts'
import type { Mark } from '../model/gateway.ts'
import { describeHolder, type Holder } from '../model/holder.ts'
import { printListen } from '../model/listen.ts'
import { Problem } from '../model/problem.ts'
import { type Serving, servingOf } from '../model/serving.ts'
import type { Mood, Surroundings } from './conflicts.ts'
import { holdersOf } from './holders.ts'
import { judgeOpenedBeside } from './judging.ts'

/** Those among some forwards that open services of this machine. */
export interface Opened {
  /** Those that were not open before; undefined: all are in force already. */
  readonly anew: readonly Forward[] | undefined
  readonly forwards: readonly Forward[]
  readonly allowances: readonly Allowance[]
  readonly mark: Mark
}

export function openedAmong(
  forwards: Iterable<Forward>,
  { lists, mark }: { readonly lists: Lists; readonly mark: Mark },
  anew?: readonly Forward[],
): Opened {
  const own = [...forwards].filter((forward) => forward.enabled && isOwn(forward))
  return {
    anew,
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
  const { forwards, allowances, anew, mark } = opened
  const serving = forwards.flatMap((one) => servingOf(one, surroundings))
  const told = serving.filter(({ kind }) => kind !== (anew ? 'loopback' : 'partly'))
  return [
    ...(await withHolders(agent, told)).map((one) => servingSentence(one, mood)),
    ...(await judgedSentences(agent, { allowances, anew, mark })),
  ]
}

/** What firewalls make of it. Where nothing but the forward itself keeps others out, one sentence says so. */
async function judgedSentences(
  agent: AgentClient,
  { allowances, anew, mark }: Omit<Opened, 'forwards'>,
): Promise<readonly string[]> {
  const machine = await agent.ask({ verb: 'exposed' }).catch(() => undefined)
  if (!machine) return []
  const { filters } = machine
  const judged = await judgeOpenedBeside({ machine, opened: allowances, mark }).catch((error: Error) => error)
  if (judged instanceof Error)
    return [`what firewalls make of services that are opened here could not be told: ${judged.message}`]
  const { barred, unguarded } = judged
  const lasting = barred.filter(({ place }) => !anew || !place || !isGated(filters, place))
  const open = unguarded.filter((name) => anew?.some((one) => one.name === name))
  return [
    ...lasting.map((one) => barredSentence(one, one.place && remedyAt(filters, one.place, mark))),
    ...(open.length === 0 ? [] : [unguardedSentence(open)]),
  ]
}

function barredSentence({ forward, family, rule }: Barred, remedy: string | null): string {
  const admits = remedy === null ? '' : `; this admits what is opened here and nothing else: ${remedy}`
  return `${forward}: no connection over IPv${family} arrives, as it is ${rule}${admits}`
}

function unguardedSentence(names: readonly string[]): string {
  return `no firewall of this machine keeps anybody from ${names.join(', ')}: who may connect is said by the forward alone, and once it is closed everybody may`
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

/** Sends probes and says what became of them: one at a time, to openings of forwards in force, and not too many. */
import type { Skeleton } from '../compile/skeleton.ts'
import type { Door } from '../kernel/door.ts'
import { forwardsFrom, reversePathOf } from '../kernel/forwarding.ts'
import type { HostFacts } from '../kernel/host.ts'
import { type ChainInfo, hookNameOf, readLegacyTables, tableFamilies } from '../kernel/ruleset.ts'
import { openProber, type Prober } from '../kernel/tracing/probing.ts'
import { ruleWords } from '../kernel/tracing/words.ts'
import { type Family, parseAddress } from '../model/address.ts'
import { endpointsOf } from '../model/endpoints.ts'
import { programOf } from '../model/exposure/rules.ts'
import { type Forward, isOwn } from '../model/forward.ts'
import { Problem } from '../model/problem.ts'
import { type Machine as Around, outcomeOf } from '../model/trace/ending.ts'
import type { Scene } from '../model/trace/hops.ts'
import type { Probe, TraceStep } from '../model/trace/step.ts'
import type { Proof, Trace } from '../model/trace.ts'
import { aim, type Wanted } from './aiming.ts'
import { outsideOf } from './exposing.ts'
import type { Holding } from './holding.ts'
import { skeletonFor } from './keeper.ts'
import { Ration } from './ration.ts'
import { countedAt, Uncounted } from './uncounted.ts'

interface Sight {
  readonly door: Door
  readonly readHost: () => HostFacts
}

/** Whoever asks waits so long for an answer; whoever has changed something, so long. */
const patience = { trace: 1_000, proof: 300 } as const
/** After a change no more are sent than fit into this time, and no more than these in any case. */
const proving = { milliseconds: 1_000, most: 5 } as const
const [mostAtOnce, perSecond] = [30, 5]

interface Attempt extends Proof {
  readonly code: string
}

export class Tracing {
  readonly #sight: Sight
  readonly #probe: Prober
  readonly uncounted = new Uncounted()
  readonly #ration = new Ration(mostAtOnce, perSecond, () => performance.now())

  constructor(sight: Sight) {
    this.#sight = sight
    this.#probe = openProber(sight.door)
  }

  /** Throws a Problem when none could be sent. Nothing of it is left when this resolves. */
  async trace(holding: Holding, wanted: Wanted): Promise<Trace> {
    const { trace, gone } = await this.#trace(holding, wanted)
    await gone
    return trace
  }

  /** One after the other, each family by itself, until the time is over. When none can be sent here, no other is tried. */
  async prove(holding: Holding, names: readonly string[]): Promise<readonly Proof[]> {
    const proofs: Proof[] = []
    const end = performance.now() + proving.milliseconds
    for (const name of names.slice(0, proving.most)) {
      if (performance.now() >= end) break
      const found = await this.#proveOne(holding, name)
      proofs.push(...found)
      if (found.some(({ trace, code }) => !trace && code !== 'trace-no-opening')) break
    }
    return proofs.map(({ forward, trace, why }) => ({ forward, trace, why }))
  }

  /** What it is open for nobody in one family is not told where it is proven in the other. */
  async #proveOne(holding: Holding, name: string): Promise<readonly Attempt[]> {
    const attempts: Attempt[] = []
    for (const family of familiesProven(holding, name)) {
      const attempt = await this.#trace(holding, { name, family }, true).then(
        ({ trace, gone }) => {
          // Whoever has changed something need not wait for it; the next probe does.
          gone.catch(() => {})
          return { forward: name, trace, why: '', code: '' }
        },
        (error: Error) => {
          const code = error instanceof Problem ? error.code : 'went-wrong'
          return { forward: name, trace: null, why: error.message, code }
        },
      )
      attempts.push(attempt)
    }
    const sent = attempts.filter(({ trace }) => trace)
    return sent.length > 0 ? sent : attempts.slice(0, 1)
  }

  /** `brief`: of what is answered nobody asks for the way. */
  async #trace(
    holding: Holding,
    wanted: Wanted,
    brief = false,
  ): Promise<{ trace: Trace; gone: Promise<void> }> {
    const { door } = this.#sight
    const patient = brief ? patience.proof : patience.trace
    const outside = await outsideOf(this.#sight)
    const probe = await aim({ door, outside }, holding, wanted)
    const forward = holding.register.named(wanted.name)
    // A proxy that is given a connection makes one to a target, and counts both.
    const manner = { patience: patient, whole: forward.via === null }
    const { most, perSecond } = this.#ration
    if (!this.#ration.take()) throw Problem.of('trace-rate', { most, rate: perSecond })
    const { steps, ended, gone } = await this.#probe(probe, manner).catch((error: Error) => {
      throw Problem.of('trace-unable', { words: error.message }, error)
    })
    const around = aroundOf(this.#sight, probe)
    const outcomeIn = (scene: Scene) => outcomeOf({ probe, steps, ended, scene, own: isOwn(forward) }, around)
    const first = await outcomeIn(noScene)
    const known = brief && first.ending.kind === 'answered'
    const outcome = known
      ? { ...first, hops: [] }
      : await outcomeIn(await sceneOf(door, steps, skeletonFor(holding, holding.used())))
    const notes = notesOn(forward, probe)
    const trace = { ...probe, ...outcome, forward: forward.name, patience: patient, notes }
    this.uncounted.note(countedAt(holding, trace))
    return { trace, gone }
  }
}

function notesOn({ via }: Forward, { family }: Probe): readonly string[] {
  const legacy = readLegacyTables(family).length > 0
  return [
    ...(legacy ? ['rules of iptables-legacy are met, but cannot be traced'] : []),
    ...(via ? ['the proxy of this machine has offered the connection, and no target was asked'] : []),
  ]
}

/** Before anybody has asked what the chains and rules are: several programs are run for that. */
const noScene: Scene = { hook: () => undefined, rule: () => '', programs: () => [] }

/** Those in which the forward leads somewhere; what this machine itself takes may be open in one only, so either will do. */
function familiesProven({ register, known }: Holding, name: string): readonly (Family | undefined)[] {
  const forward = register.forwards.get(name)
  if (!forward || forward.via || isOwn(forward)) return [undefined]
  const families = new Set(endpointsOf(forward, known).map(({ address }) => address.family))
  return families.size === 0 ? [undefined] : [...families].sort()
}

/** What is asked of the machine about what was not seen. */
function aroundOf({ door, readHost }: Sight, { by, family }: Probe): Around {
  return {
    up: readHost().links.includes(by),
    forwards: (name) => name === '' || forwardsFrom(family, name),
    routed: (packet) => routed(door, packet),
    neighbour: async (text) => {
      const address = parseAddress('address', text)
      const way = await door.way(address)
      if (!way) return { neighbour: 'unasked', via: '', by: '' }
      const via = way.next.text === text ? '' : way.next.text
      return { neighbour: await door.neighbour(way), via, by: way.interface }
    },
  }
}

/** Newer kernels tell rp_filter and other refusals as one (EINVAL, since 6.14). */
async function routed(
  door: Door,
  packet: Parameters<Around['routed']>[0],
): Promise<Awaited<ReturnType<Around['routed']>>> {
  const found = await door.wayIn(packet)
  const source = parseAddress('source', packet.source)
  if (found.kind === 'way' || found.errno !== EINVAL || source.family === 6) return found
  const strict = reversePathOf(packet.by)
  const back = (await door.way(source))?.interface
  const refused = strict === 1 ? back !== packet.by : strict === 2 && back === undefined
  return refused ? { kind: 'refused', errno: EXDEV } : found
}

const [EXDEV, EINVAL] = [18, 22]

/** The chains and the words of the rules that these steps were about. */
async function sceneOf(door: Door, steps: readonly TraceStep[], own: Skeleton): Promise<Scene> {
  const chains = await door.chains()
  const byName = new Map(chains.map((chain) => [`${tableOf(chain)} ${chain.name}`, chain]))
  const words = new Map<string, ReadonlyMap<number, string>>()
  for (const { table, chain } of deciding(steps)) {
    const info = byName.get(`${table} ${chain}`)
    if (info) words.set(`${table} ${chain}`, await wordsOf(door, info, own))
  }
  return {
    hook: (table, chain) => {
      const info = byName.get(`${table} ${chain}`)
      return info?.hook ? { name: hookNameOf(info), priority: info.hook.priority } : undefined
    },
    rule: (table, chain, handle) => words.get(`${table} ${chain}`)?.get(handle) ?? '',
    programs: (table) => programsIn(chains.filter((chain) => tableOf(chain) === table)),
  }
}

const tableOf = ({ family, table }: ChainInfo) => `${tableFamilies[family] ?? family} ${table}`

/** What was decided by a rule, once for each chain. */
function deciding(steps: readonly TraceStep[]): readonly TraceStep[] {
  const final = steps.filter(
    ({ handle, verdict }) => handle > 0 && ['accept', 'drop', 'queue'].includes(verdict),
  )
  return [...new Map(final.map((step) => [`${step.table} ${step.chain}`, step])).values()]
}

/** Those of our own table are known by their place; nft would read every element of it to tell them. */
async function wordsOf(door: Door, info: ChainInfo, own: Skeleton): Promise<ReadonlyMap<number, string>> {
  const { family, table, name: chain } = info
  const handles = await door.ruleHandles({ family, table, chain })
  if (tableOf(info) !== 'inet drawbridge') return ruleWords({ table: tableOf(info), chain, handles })
  const rules = own.chains.find(({ name }) => name === chain)?.rules ?? []
  return new Map(
    rules.length === handles.length ? handles.map((handle, at) => [handle, rules[at] ?? '']) : [],
  )
}

/** firewalld's iptables backend has names of its own. */
function programsIn(chains: readonly ChainInfo[]): readonly string[] {
  const programs = chains.flatMap((chain) => {
    if (/^(PREROUTING|INPUT|FORWARD|FORWARD_IN)_(ZONES|direct)$/.test(chain.name)) return ['firewalld']
    return programOf({ table: tableOf(chain), chain: chain.name }) ?? []
  })
  return [...new Set(programs)]
}

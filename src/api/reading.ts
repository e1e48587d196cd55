/** Answers that change nothing. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Counted } from '../agent/protocol.ts'
import type { Family } from '../model/address.ts'
import { type Bans, noBans } from '../model/bans.ts'
import { type HealthSummary, nothingChecked } from '../model/condition.ts'
import { describeForward } from '../model/describing.ts'
import { type Forward, familiesOf, printForward } from '../model/forward.ts'
import { defaultSettings, printGateway, printMark } from '../model/gateway.ts'
import { parseInstant } from '../model/limits.ts'
import { parseListen } from '../model/listen.ts'
import { Problem } from '../model/problem.ts'
import { namesOf } from '../reconcile/names/wanted.ts'
import type { Recorded, Store } from '../store/store.ts'
import type { Parts } from './gateway.ts'
import { historyEntry, linesBetween } from './history.ts'
import type {
  AuditPage,
  Difference,
  ForwardList,
  ForwardView,
  GatewayView,
  HistoryEntry,
  LogView,
  PendingView,
  Status,
} from './shapes.ts'
import { unlessAway } from './sight.ts'
import { type LookForConflicts, liveConflicts } from './survey.ts'

/** Which entries of the log. */
interface Wanted {
  /** Made after this generation; 0: all. */
  readonly generation: number
  /** Instants: at or after the one, before the other. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export class GatewayReader {
  readonly #parts: Pick<Parts, 'store' | 'agent' | 'names'>
  /** What else of this machine wants the packets of forwards, now. */
  readonly conflicts: LookForConflicts

  constructor(parts: Pick<Parts, 'store' | 'agent' | 'names'>) {
    this.#parts = parts
    this.conflicts = liveConflicts(parts.agent, parts.store)
  }

  /** The changes after generation `after`, newest first. One of them at a time is held, and others have their turn. */
  async history(after: number, most: number): Promise<readonly HistoryEntry[]> {
    const { store } = this.#parts
    const found: HistoryEntry[] = []
    for (let entry = store.log.head.entry; entry > store.log.base.entry && found.length < most; entry -= 1) {
      const [one] = (await store.entries(entry - 1, 1)).entries
      if (!one || one.generation <= after) break
      if (one.settings.after !== null || one.how === 'health') found.push(historyEntry(one))
      await turn()
    }
    return found
  }

  /**
   * Entries of the log after number `after`, oldest first; without it from the first that is wanted. What a page leaves
   * out, as it was not wanted, is passed over in `next`.
   */
  async audit(after: number | undefined, most: number, wanted: Wanted): Promise<AuditPage> {
    const { store } = this.#parts
    const since = wanted.since === undefined ? '' : instantOf('since', wanted.since)
    const until = wanted.until === undefined ? undefined : instantOf('until', wanted.until)
    const from = after ?? store.startOf(wanted.generation, since)
    const { before, entries } = await store.entries(from, most)
    const last = entries.at(-1)?.entry ?? store.log.head.entry
    const isWanted = ({ generation, at }: Recorded) =>
      generation > wanted.generation && at >= since && (until === undefined || at < until)
    return {
      ...logView(store),
      before,
      entries: wanted.generation === 0 && !since && !until ? entries : entries.filter(isWanted),
      next: last < store.log.head.entry ? last : null,
    }
  }

  /** What is different in generation `to` from what was in `from`. */
  difference(from: number, to: number): Difference {
    const [low, high] = from <= to ? [from, to] : [to, from]
    refuseUnknown(this.#parts.store, high)
    const between = historyAfter(this.#parts.store, low).filter(({ generation }) => generation <= high)
    return { from, to, lines: linesBetween(between, from > to) }
  }

  async list(): Promise<ForwardList> {
    const { store } = this.#parts
    const counts = await this.#counts(null)
    const { downIn } = await this.health()
    return {
      generation: store.generation,
      forwards: inOrder(store).map((forward) => this.#view(forward, counts, downIn)),
    }
  }

  async show(name: string): Promise<ForwardView> {
    const forward = findForward(this.#parts.store, name)
    const counts = await this.#counts([this.#parts.store.numberOf(forward.name)])
    const endpoints = await unlessAway(this.#parts.agent.ask({ verb: 'endpoints', name: forward.name }))
    const bans = await this.bans(familiesOf(forward))
    const { downIn } = await this.health()
    return { ...this.#view(forward, counts, downIn), bans, endpoints: endpoints ?? [] }
  }

  /** What the checks of targets have found. */
  async health(): Promise<HealthSummary> {
    return (await unlessAway(this.#parts.agent.ask({ verb: 'health' }))) ?? nothingChecked
  }

  /** Whom other programs have banned, in these families. */
  async bans(families: readonly Family[]): Promise<Bans> {
    return (await unlessAway(this.#parts.agent.ask({ verb: 'bans', families: [...families] }))) ?? noBans
  }

  written(): GatewayView {
    const { store } = this.#parts
    const { generation, register } = store
    const forwards = inOrder(store)
    const low = forwards.some(
      ({ listen }) => listen.kind === 'ports' && (listen.ports[0]?.first ?? 1024) < 1024,
    )
    const { privileged, mark } = register.settings
    const settings = {
      ...((privileged || low) && { privileged: true }),
      ...(printMark(mark) !== printMark(defaultSettings.mark) && { mark }),
    }
    return { generation, gateway: printGateway({ settings, lists: [...register.lists.values()], forwards }) }
  }

  async #counts(numbers: number[] | null): Promise<ReadonlyMap<number, Counted>> {
    const counted = (await unlessAway(this.#parts.agent.ask({ verb: 'counts', numbers }))) ?? []
    return new Map(counted.map((one) => [one.number, one]))
  }

  #view(
    forward: Forward,
    counts: ReadonlyMap<number, Counted>,
    downIn: HealthSummary['downIn'],
  ): ForwardView {
    const counted = counts.get(this.#parts.store.numberOf(forward.name))
    return {
      name: forward.name,
      forward: printForward(forward),
      sentence: describeForward(forward),
      state: forward.enabled ? 'on' : 'off',
      connections: counted?.connections ?? 0,
      refused: counted?.refused ?? 0,
      limited: counted?.limited ?? 0,
      down: downIn[forward.name] ?? 0,
      names: forward.enabled ? this.#parts.names.views(namesOf(forward)) : [],
    }
  }
}

/** The oldest first. */
export function inOrder(store: Store): readonly Forward[] {
  const { forwards } = store.register
  return [...forwards.values()].sort((a, b) => store.numberOf(a.name) - store.numberOf(b.name))
}

/** By name, or by its opening as it was written. */
export function findForward({ register }: Store, name: string): Forward {
  if (register.forwards.has(name) || !/[/@]/.test(name)) return register.named(name)
  const listen = parseListen('name', name)
  return register.openings.exactly(listen) ?? register.named(name)
}

/** Everything that was changed after a generation, newest first. */
export function historyAfter(store: Store, generation: number): readonly Recorded[] {
  refuseUnknown(store, generation)
  return store.history(generation, Number.MAX_SAFE_INTEGER)
}

function refuseUnknown({ generation: now, log }: Store, generation: number): void {
  if (generation < 0 || generation > now)
    throw Problem.of('no-such-generation', { wanted: String(generation), now })
  const kept = log.base.generation
  if (generation < kept) throw Problem.of('archived-generation', { wanted: generation, kept })
}

export function logView({ log: { base, head } }: Store): LogView {
  return { base, head }
}

/** As the log writes it. */
function instantOf(field: string, text: string): string {
  return new Date(parseInstant(field, text)).toISOString()
}

const mostTroubled = 20

export function namesView({ all }: Pick<Parts['names'], 'all'>): Status['names'] {
  const views = all()
  const troubled = views.filter(({ trouble }) => trouble !== null)
  const told = troubled.slice(0, mostTroubled)
  return { count: views.length, troubled: told, more: troubled.length - told.length }
}

export function pendingView({ pending }: Store): PendingView | null {
  return (
    pending && { base: pending.base, deadline: pending.deadline, new_session: pending.sessions !== undefined }
  )
}

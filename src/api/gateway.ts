/** What the routes do, without HTTP: request -> change -> store -> kernel -> answer. */
import type { AgentClient } from '../agent/client.ts'
import { reach } from '../faults.ts'
import { type Forward, parseForward } from '../model/forward.ts'
import { parseGateway } from '../model/gateway.ts'
import { Intervals } from '../model/intervals.ts'
import { printListen } from '../model/listen.ts'
import type { Hidden } from '../model/listeners.ts'
import type { Openings } from '../model/openings.ts'
import { Problem } from '../model/problem.ts'
import { describeReach, isDead } from '../model/reach.ts'
import { type Change, changeTo, isEmpty, noChange, sameForward } from '../model/register.ts'
import type { Clock, Runner } from '../reconcile/runner.ts'
import { undoing, withoutExpired } from '../store/record.ts'
import type { Command, Origin, Store } from '../store/store.ts'
import { type Asking, originOf } from './asking.ts'
import { hiddenBy, type Mood } from './conflicts.ts'
import { planOf } from './plan.ts'
import { findForward, historyAfter, logView } from './reading.ts'
import type { ApplyRequest, Changed, LogView, OpenRequest, PendingView, Plan } from './shapes.ts'
import { conflictsOf, hiddenProblems, nothingAround, survey } from './survey.ts'
import { deadTarget, reachesOf } from './targets.ts'
import { warningsOf } from './warnings.ts'

export interface Parts {
  readonly store: Store
  readonly agent: AgentClient
  readonly runner: Runner
  readonly clock: Clock
}

/** A change is answered when the kernel has it; beyond this the answer is a problem, and the change stays wanted. */
const kernelPatience = 30_000

/** Changes the gateway. */
export class GatewayService {
  readonly #parts: Parts
  /** When the last change had come into force, by a clock that nobody sets. */
  #inForceSince = 0
  #surroundings = nothingAround

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async open(request: OpenRequest, asking: Asking): Promise<Changed> {
    await this.#learn()
    const { register } = this.#parts.store
    const forward = parseForward(request.forward)
    const noted = { ...asking, note: asking.note ?? forward.note }
    refuseOver(forward, this.#parts.clock.now())
    const unnamed = typeof request.forward === 'string' || request.forward.name === undefined
    const held = (unnamed && sameOpening(register.openings, forward)) || register.forwards.get(forward.name)
    if (held && sameForward({ ...forward, name: held.name }, held)) {
      return this.#change(noChange, asking, [held], 'open')
    }
    if (held && renews(forward, held)) {
      return this.#change(
        { ...noChange, put: [{ ...held, expires: forward.expires }] },
        noted,
        [held],
        'open',
      )
    }
    if (held) throw register.openings.conflict({ ...forward, name: '' }) ?? nameTaken(held)
    return this.#change({ ...noChange, put: [forward] }, noted, [forward], 'open')
  }

  async close(name: string, asking: Asking): Promise<Changed> {
    await this.#learn()
    const forward = findForward(this.#parts.store, name)
    return this.#change({ ...noChange, remove: [forward.name] }, asking, [], 'close')
  }

  async switch(name: string, enabled: boolean, asking: Asking): Promise<Changed> {
    await this.#learn()
    const forward = { ...findForward(this.#parts.store, name), enabled }
    const command = enabled ? 'enable' : 'disable'
    return this.#change({ ...noChange, put: [forward] }, { ...asking, privileged: true }, [forward], command)
  }

  /** Keeps every forward shut, or lifts that again. */
  async lockdown(lift: boolean, asking: Asking): Promise<Changed> {
    await this.#learn()
    const settings = { ...this.#parts.store.register.settings, locked: !lift }
    return this.#change({ ...noChange, settings }, asking, [], lift ? 'lift' : 'lockdown')
  }

  async plan(request: ApplyRequest, asking: Asking): Promise<Plan> {
    const { plan } = await this.apply(request, { ...asking, dryRun: true })
    return plan
  }

  async apply(request: ApplyRequest, asking: Asking): Promise<Changed> {
    await this.#learn()
    const change = this.#changeOf(request)
    return this.#change(change, asking, change.put, 'apply')
  }

  /**
   * Keeps the change that waits, for the next boot too. `connectedAt` is when the connection was made over which this is
   * asked.
   */
  async confirm(connectedAt: number, asking: Asking): Promise<{ generation: number }> {
    const { store, runner } = this.#parts
    if (!store.pending) throw Problem.of('nothing-to-confirm', { now: store.generation })
    if (connectedAt < this.#inForceSince) throw Problem.of('old-connection', {})
    reach('confirm-asked')
    store.confirm(this.#originOf(asking, 'confirm'))
    reach('confirm-kept')
    const { generation } = store
    await runner.reached(generation, kernelPatience)
    return { generation }
  }

  /** Everything becomes what it was in generation `to`, as a new generation. */
  async rollback(to: number | undefined, asking: Asking): Promise<Changed> {
    await this.#learn()
    const { store, clock } = this.#parts
    const wanted = to ?? store.generation - 1
    const history = historyAfter(store, wanted)
    const change = withoutExpired(undoing(history), new Date(clock.now()).toISOString())
    const note = asking.note ?? `back to generation ${wanted}`
    return this.#change(change, { ...asking, privileged: true, takeOver: true, note }, [], 'rollback')
  }

  /** Moves all but the newest `keep` entries of the log to archives, and enters that. */
  async rotate(keep: number, asking: Asking): Promise<LogView> {
    const { store } = this.#parts
    await store.archive(keep)
    store.record(this.#originOf(asking, 'rotate'))
    return logView(store)
  }

  /** Enters that Drawbridge is stopped; `all` removes every trace from the kernel. The store keeps its forwards. */
  async down(all: boolean, asking: Asking): Promise<void> {
    this.#parts.store.record(this.#originOf(asking, all ? 'down --all' : 'down'))
    if (!all) return
    await this.#parts.agent.ask({ verb: 'clear' })
    this.#parts.runner.stop()
  }

  #changeOf({ gateway, prune }: ApplyRequest): Change {
    const written = parseGateway(gateway)
    refuseRepeated(written.forwards)
    const now = this.#parts.clock.now()
    const lasting = written.forwards.filter((forward) => !isOver(forward, now))
    return changeTo(this.#parts.store.register, { ...written, forwards: lasting }, prune ?? false)
  }

  async #change(
    wanted: Change,
    asking: Asking,
    named: readonly Forward[],
    command: Command,
  ): Promise<Changed> {
    const { store, runner } = this.#parts
    const change = store.register.reduce(wanted)
    const circumstances = { privileged: asking.privileged ?? false, ours: this.#surroundings.addresses }
    refuseStale(store, asking.based)
    const hidden = asking.takeOver ? [] : this.#hiddenAnew(change)
    // Waits only where it throws: nothing comes between what was looked at and the commit.
    if (hidden.length > 0) throw (await hiddenProblems(this.#parts.agent, hidden))[0]
    if (asking.dryRun) store.register.check(change, circumstances)
    const plan = planOf(store, change, asking.dryRun)
    const locked = store.register.settings.locked && named.length > 0 ? [lockedWarning] : []
    const warnings = [...locked, ...warningsOf(named, store.register.lists, this.#surroundings.addresses)]
    if (asking.dryRun || isEmpty(change)) {
      if (!asking.dryRun) await runner.reached(store.generation, kernelPatience)
      return {
        changed: !isEmpty(change),
        generation: store.generation,
        plan,
        warnings: [...warnings, ...(await this.#conflicts(named, asking.dryRun ? 'would go' : 'go'))],
        reached: [],
        pending: pendingView(store),
      }
    }
    const confirmWithin = asking.confirm === undefined ? undefined : asking.confirm * 1000
    const options = { based: asking.based, confirmWithin, uptime: this.#parts.clock.uptime() }
    reach('change-checked')
    const generation = store.commit(change, this.#originOf(asking, command), circumstances, options)
    reach('change-kept')
    this.#inForceSince = Number.POSITIVE_INFINITY
    await runner.reached(generation, kernelPatience)
    reach('change-in-force')
    this.#inForceSince = performance.now()
    const [conflicts, reaches] = await Promise.all([
      this.#conflicts(named, 'go'),
      reachesOf(this.#parts.agent, named),
    ])
    if (confirmWithin !== undefined && !store.pending)
      throw Problem.of('nothing-to-confirm', { now: store.generation })
    return {
      changed: true,
      generation,
      plan,
      warnings: [...warnings, ...conflicts, ...reaches.filter(isDead).map(deadTarget)],
      reached: reaches.filter((one) => !isDead(one)).map(describeReach),
      pending: pendingView(store),
    }
  }

  /** The services that a change hides; an opening that was there before hides nothing anew. */
  #hiddenAnew({ put }: Change): readonly Hidden[] {
    const { forwards } = this.#parts.store.register
    const anew = put.filter((forward) => {
      const before = forwards.get(forward.name)
      return !before?.enabled || printListen(before.listen) !== printListen(forward.listen)
    })
    return hiddenBy(new Intervals(anew), this.#surroundings.listeners)
  }

  #conflicts(named: readonly Forward[], mood: Mood): Promise<readonly string[]> {
    return conflictsOf(this.#parts.agent, new Intervals(named), this.#surroundings, mood)
  }

  #originOf(asking: Asking, command: Command): Origin {
    return originOf(asking, command, this.#parts.clock.now())
  }

  /**
   * Before anything else: from here to the commit nothing is waited for, so no other change comes between. Without an
   * agent the facts are those of before, and only what forwards declare is known as ours.
   */
  async #learn(): Promise<void> {
    this.#surroundings = (await survey(this.#parts.agent)) ?? this.#surroundings
  }
}

/** The forward that already has exactly this opening, whatever its name. */
function sameOpening(openings: Openings, forward: Forward): Forward | undefined {
  const held = openings.holderOf(forward)
  return held && printListen(held.listen) === printListen(forward.listen) ? held : undefined
}

/** The same forward with another end: opening it again for two hours means two hours from now. */
function renews(forward: Forward, held: Forward): boolean {
  const lasting = forward.expires !== null && held.expires !== null
  return lasting && sameForward({ ...forward, name: held.name, expires: held.expires }, held)
}

const lockedWarning = 'the lockdown is on: no forward is open until drawbridge lockdown --lift'

export function pendingView({ pending }: Store): PendingView | null {
  return pending && { base: pending.base, deadline: pending.deadline }
}

function nameTaken({ name, listen }: Forward): Problem {
  return Problem.of('name-taken', { name, listen: printListen(listen) })
}

/** Its time is over before it is opened. In a file that is an old entry, on the command line a slip. */
function isOver({ expires }: Forward, now: number): boolean {
  return expires !== null && Date.parse(expires) <= now
}

function refuseOver(forward: Forward, now: number): void {
  if (isOver(forward, now)) throw Problem.of('over', { field: 'expires', value: forward.expires ?? '' })
}

function refuseRepeated(forwards: readonly Forward[]): void {
  const seen = new Map<string, Forward>()
  for (const forward of forwards) {
    const first = seen.get(forward.name)
    if (first) throw nameTaken(first)
    seen.set(forward.name, forward)
  }
}

function refuseStale({ generation }: Store, based: number | undefined): void {
  if (based !== undefined && based !== generation)
    throw Problem.of('stale-generation', { based, now: generation })
}

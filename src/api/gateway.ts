/** What the routes do, without HTTP: request -> change -> store -> kernel -> answer. */
import type { AgentClient } from '../agent/client.ts'
import { reach } from '../faults.ts'
import { parseForward } from '../model/forward.ts'
import { parseGateway } from '../model/gateway.ts'
import { Problem } from '../model/problem.ts'
import { changeTo, isEmpty, noChange, sameForward } from '../model/register.ts'
import { type Session, sessionKey } from '../model/session.ts'
import type { Names } from '../reconcile/names/names.ts'
import type { Clock, Runner } from '../reconcile/runner.ts'
import { undoing, withoutExpired } from '../store/record.ts'
import type { Command, CommitOptions, Origin, Store } from '../store/store.ts'
import { type Asking, enterAnyhow, originOf } from './asking.ts'
import { drained } from './draining.ts'
import { findForward, historyAfter, logView, pendingView } from './reading.ts'
import {
  isOver,
  nameTaken,
  refuseOver,
  refuseRepeated,
  refuseStale,
  refuseUnconfirmed,
  renews,
  sameOpening,
} from './refusals.ts'
import type { ApplyRequest, Changed, DrainRequest, LogView, OpenRequest, Plan } from './shapes.ts'
import { Sight } from './sight.ts'
import { concernsOwn, outcomeOf } from './targets.ts'
import { type Wanted, type Weighed, weigh } from './weighing.ts'

export interface Parts {
  readonly store: Store
  readonly agent: AgentClient
  readonly runner: Runner
  readonly clock: Clock
  readonly names: Pick<Names, 'all' | 'views' | 'settle' | 'whereabouts'>
}

/** A change is answered when the kernel has it; beyond this the answer is a problem, and the change stays wanted. */
const kernelPatience = 30_000
/** An agent that starts answers within a second or two. */
const agentPatience = 10_000
const agentPause = 100
/** So often a change is looked at again because another one came meanwhile. */
const mostAttempts = 100

/** Changes the gateway. */
export class GatewayService {
  readonly #parts: Parts
  readonly #sight: Sight
  /** Sessions that were open when the change that waits had come into force; the store has those from before. */
  #sessionsThen: readonly string[] = []

  constructor(parts: Parts) {
    this.#parts = parts
    this.#sight = new Sight(parts.agent)
  }

  open(request: OpenRequest, asking: Asking): Promise<Changed> {
    const unnamed = typeof request.forward === 'string' || request.forward.name === undefined
    const forward = parseForward(request.forward)
    const noted = { ...asking, note: asking.note ?? forward.note }
    refuseOver(forward, this.#parts.clock.now())
    return this.#change(noted, 'open', () => {
      const { register } = this.#parts.store
      const held = (unnamed && sameOpening(register.openings, forward)) || register.forwards.get(forward.name)
      if (!held) return { change: { ...noChange, put: [forward] }, named: [forward] }
      if (sameForward({ ...forward, name: held.name }, held)) return { change: noChange, named: [held] }
      if (renews(forward, held))
        return { change: { ...noChange, put: [{ ...held, expires: forward.expires }] }, named: [held] }
      throw register.openings.conflict({ ...forward, name: '' }) ?? nameTaken(held)
    })
  }

  close(names: readonly string[], asking: Asking): Promise<Changed> {
    return this.#change(asking, 'close', () => {
      const remove = names.map((name) => findForward(this.#parts.store, name).name)
      return { change: { ...noChange, remove: [...new Set(remove)] }, named: [] }
    })
  }

  switch(names: readonly string[], enabled: boolean, asking: Asking): Promise<Changed> {
    return this.#change({ ...asking, privileged: true }, enabled ? 'enable' : 'disable', () => {
      const forwards = new Set(names.map((name) => findForward(this.#parts.store, name)))
      const put = [...forwards].map((forward) => ({ ...forward, enabled }))
      return { change: { ...noChange, put }, named: put }
    })
  }

  /** Has targets given no new connection, or some again. */
  drain(request: DrainRequest, asking: Asking): Promise<Changed> {
    return this.#change({ ...asking, privileged: true }, request.drain ? 'drain' : 'undrain', () =>
      drained(this.#parts.store, request),
    )
  }

  /** Keeps every forward shut, for the moment of danger, so nothing has to be confirmed; or lifts that again. */
  lockdown(lift: boolean, asking: Asking): Promise<Changed> {
    const sure = lift ? asking : { ...asking, confirm: asking.confirm ?? 0 }
    return this.#change(sure, lift ? 'lift' : 'lockdown', () => {
      const settings = { ...this.#parts.store.register.settings, locked: !lift }
      return { change: { ...noChange, settings }, named: [] }
    })
  }

  async plan(request: ApplyRequest, asking: Asking): Promise<Plan> {
    const { plan } = await this.apply(request, { ...asking, dryRun: true })
    return plan
  }

  apply({ gateway, prune }: ApplyRequest, asking: Asking): Promise<Changed> {
    const written = parseGateway(gateway)
    refuseRepeated(written.forwards)
    const now = this.#parts.clock.now()
    const lasting = written.forwards.filter((forward) => !isOver(forward, now))
    return this.#change(asking, 'apply', () => {
      const change = changeTo(this.#parts.store.register, { ...written, forwards: lasting }, prune ?? false)
      return { change, named: change.put }
    })
  }

  /** Everything becomes what it was in generation `to`, as a new generation; left out, the last change is undone. */
  rollback(to: number | undefined, asking: Asking): Promise<Changed> {
    const { store, clock } = this.#parts
    const wanted = to ?? store.generation - 1
    const note = asking.note ?? `back to generation ${wanted}`
    // Whoever takes the last change back does not mean one of somebody else that comes meanwhile.
    const based = asking.based ?? (to === undefined ? store.generation : undefined)
    return this.#change({ ...asking, based, privileged: true, takeOver: true, note }, 'rollback', () => {
      const history = historyAfter(store, wanted)
      const change = store.register.reduce(
        withoutExpired(undoing(history), new Date(clock.now()).toISOString()),
      )
      return { change, named: change.put }
    })
  }

  /**
   * Keeps the change that waits, for the next boot too. `connectedAt` is when the connection was made over which this is
   * asked.
   */
  async confirm(connectedAt: number, asking: Asking): Promise<{ generation: number }> {
    const { store, runner } = this.#parts
    const waiting = store.pending
    if (!waiting) throw Problem.of('nothing-to-confirm', { now: store.generation })
    await runner.reached(store.generation, kernelPatience)
    if (connectedAt < runner.inForceSince) throw Problem.of('old-connection', {})
    if (waiting.sessions && asking.from) await this.#refuseOldSession(waiting.sessions, asking.from)
    if (store.pending !== waiting) throw Problem.of('nothing-to-confirm', { now: store.generation })
    reach('confirm-asked')
    store.confirm(this.#originOf(asking, 'confirm'))
    reach('confirm-kept')
    const { generation } = store
    await runner.reached(generation, kernelPatience)
    return { generation }
  }

  /** A session from before the change shows nothing: established connections outlive what keeps new ones out. */
  async #refuseOldSession(before: readonly string[], from: Session): Promise<void> {
    const live = await this.#sight.sessions([from.serverPort])
    const key = sessionKey(from)
    if (
      before.includes(key) ||
      this.#sessionsThen.includes(key) ||
      !live.some((session) => sessionKey(session) === key)
    )
      throw Problem.of('old-session', { client: from.client.text })
  }

  /** Moves all but the newest `keep` entries of the log to archives, and enters that. */
  async rotate(keep: number, asking: Asking): Promise<LogView> {
    const { store } = this.#parts
    await store.archive(keep)
    store.record(this.#originOf(asking, 'rotate'))
    return logView(store)
  }

  /** Has the kernel take this store though it holds a later generation, and enters that. */
  async accept(asking: Asking): Promise<{ generation: number }> {
    const { store, runner } = this.#parts
    store.record(this.#originOf(asking, 'accept'))
    runner.accept()
    await runner.reached(store.generation, kernelPatience)
    return { generation: store.generation }
  }

  /**
   * Enters that Drawbridge is stopped; `all` removes every trace from the kernel. The store keeps its forwards. A change
   * that waits for its confirmation would stay in the kernel, with nobody to undo it.
   */
  async down(all: boolean, asking: Asking): Promise<void> {
    const { pending } = this.#parts.store
    if (pending && !all) throw Problem.of('unconfirmed', { base: pending.base, deadline: pending.deadline })
    enterAnyhow(this.#parts.store, this.#originOf(asking, all ? 'down --all' : 'down'))
    if (!all) return
    await this.#parts.agent.ask({ verb: 'clear' })
    this.#parts.runner.stop()
  }

  /**
   * Works the change and its plan out and concludes it. The agent is asked on the way; when another change has come
   * meanwhile, all of it is worked out again. From there to the commit nothing is waited for.
   */
  async #change(asking: Asking, command: Command, wants: () => Wanted): Promise<Changed> {
    const { store, runner } = this.#parts
    await this.#look(asking, command)
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      // What a change does to the connection of its author is known while the kernel is in step.
      if (asking.from && !asking.dryRun)
        await runner.reached(store.generation, kernelPatience).catch(() => {})
      const at = store.generation
      refuseStale(store, asking.based)
      const { change: wanted, named } = wants()
      const change = store.register.reduce(wanted)
      if (asking.dryRun) store.register.check(change, this.#circumstances(asking))
      const weighed = await weigh(this.#parts, this.#sight, { change, named }, asking)
      if (store.generation === at) return this.#conclude(weighed, asking, command)
    }
    throw Problem.of('stale-generation', { based: store.generation - 1, now: store.generation })
  }

  /**
   * What the operator stands on is known by the agent alone, so a change waits for it while it starts, and is refused
   * without it. A lockdown is not.
   */
  async #look({ dryRun }: Asking, command: Command): Promise<void> {
    const { clock } = this.#parts
    const end = clock.uptime().milliseconds + agentPatience
    while (!(await this.#sight.look()) && !dryRun && command !== 'lockdown') {
      if (clock.uptime().milliseconds >= end) throw Problem.of('agent-away', {})
      await new Promise<void>((resolve) => clock.after(agentPause, resolve))
    }
  }

  async #conclude(weighed: Weighed, asking: Asking, command: Command): Promise<Changed> {
    const { store, runner } = this.#parts
    const { change, plan } = weighed
    const changed = !isEmpty(change)
    if (changed && !asking.dryRun) {
      const [conflict] = plan.conflicts
      if (conflict) throw Problem.from(conflict)
      refuseUnconfirmed(plan, asking)
      return this.#commit(weighed, asking, command)
    }
    if (!asking.dryRun) await runner.reached(store.generation, kernelPatience)
    const { generation } = store
    return { changed, generation, plan, warnings: [], reached: [], proven: [], pending: pendingView(store) }
  }

  async #commit(
    { change, named, plan, sessions }: Weighed,
    asking: Asking,
    command: Command,
  ): Promise<Changed> {
    const { store, agent, runner, clock } = this.#parts
    const { confirm, from } = asking
    const options: CommitOptions = {
      based: asking.based,
      ...(confirm && { confirmWithin: confirm * 1000, uptime: clock.uptime() }),
      // Whoever came by SSH and touches what they stand on shows with a new session that they can still get in.
      ...(from && plan.confirm.length > 0 && { sessions: [from, ...sessions].map(sessionKey) }),
    }
    const opening = concernsOwn(store.register, change)
    reach('change-checked')
    const generation = store.commit(
      change,
      this.#originOf(asking, command),
      this.#circumstances(asking),
      options,
    )
    reach('change-kept')
    await runner.reached(generation, kernelPatience)
    reach('change-in-force')
    if (options.sessions && from) {
      this.#sessionsThen = (await this.#sight.sessions([from.serverPort])).map(sessionKey)
    }
    const outcome = await outcomeOf(agent, named, opening)
    if (confirm && !store.pending) throw Problem.of('nothing-to-confirm', { now: store.generation })
    return {
      changed: true,
      generation,
      plan,
      ...outcome,
      pending: pendingView(store),
    }
  }

  #circumstances({ privileged = false }: Asking) {
    return { privileged, ours: this.#sight.surroundings.addresses }
  }

  #originOf(asking: Asking, command: Command): Origin {
    return originOf(asking, command, this.#parts.clock.now())
  }
}

/** Asks the agent and the store for all that the doctor looks at, and carries out what is Drawbridge's to mend. */
import type { AgentClient } from '../agent/client.ts'
import type { FactsAnswer } from '../agent/protocol.ts'
import { admitterOf, prefixesOf } from '../compile/elements.ts'
import { diagnose } from '../doctor/diagnose.ts'
import type { Evidence, Passage } from '../doctor/evidence.ts'
import { symptomOf } from '../doctor/symptoms.ts'
import { type Address, parseAddress } from '../model/address.ts'
import type { Examination } from '../model/examination.ts'
import type { Exposure } from '../model/exposure/exposure.ts'
import { type Finding, type Symptom, symptoms } from '../model/finding.ts'
import { admission } from '../model/foreign.ts'
import { type Forward, parseForward, printForward } from '../model/forward.ts'
import type { Mark } from '../model/gateway.ts'
import { intersect } from '../model/match.ts'
import { describeMeeting, meets, type Others, turnOf } from '../model/others.ts'
import { Problem } from '../model/problem.ts'
import type { Runner } from '../reconcile/runner.ts'
import type { Store } from '../store/store.ts'
import type { Asking } from './asking.ts'
import type { LookForExposure } from './exposing.ts'
import type { GatewayService } from './gateway.ts'
import { findForward, inOrder } from './reading.ts'
import type { Changed } from './shapes.ts'
import type { DoctorPage, Mended, Patient } from './shapes-doctor.ts'
import { unlessAway } from './sight.ts'

interface Complaint {
  /** A forward's name or opening; undefined: all of them. */
  readonly name?: string | undefined
  readonly from?: string | undefined
  readonly symptom?: string | undefined
}

export interface Doctor {
  look(complaint: Complaint): Promise<DoctorPage>
  mend(complaint: Complaint & { readonly name: string }, asking: Asking): Promise<Mended>
}

interface Parts {
  readonly agent: AgentClient
  readonly store: Store
  readonly runner: Runner
  readonly exposure: LookForExposure
  readonly service: GatewayService
}

/** All are looked at when none is named, and each takes a second or two; more than this would take too long. */
const mostPatients = 20
/** Further back in the history it is not looked for a forward that is gone. */
const mostChanges = 1_000
/** A change of a moment ago is on its way. */
const settling = 1_000

export function doctorOf(parts: Parts): Doctor {
  const look = async ({ name, from, symptom }: Complaint): Promise<DoctorPage> => {
    const client = from === undefined ? null : parseAddress('from', from)
    const notices = symptom === undefined ? null : readSymptom(symptom)
    const { store } = parts
    const [patients, unseen] = name === undefined ? firstOf(store) : [[patientNamed(store, name)], 0]
    const around = await surroundings(parts)
    const seen: Patient[] = []
    for (const patient of patients) {
      const evidence = await evidenceOf(parts, patient, client, around)
      seen.push({ name: patient.forward.name, ...diagnose(evidence, notices) })
    }
    const worst = seen.toSorted((a, b) => rank(a.headline) - rank(b.headline))[0]
    return {
      generation: store.generation,
      symptom: notices,
      headline: worst?.headline ?? null,
      forwards: seen,
      unseen,
    }
  }

  const mend: Doctor['mend'] = async (complaint, asking) => {
    const before = await look(complaint)
    const finding = before.forwards
      .flatMap(({ headline, others }) => [headline, ...others])
      .find((one) => one?.mend)
    if (!finding) return { before, mended: null, changed: null, after: null }
    const changed = await carryOut(parts, finding, asking)
    return { before, mended: finding, changed, after: asking.dryRun ? null : await look(complaint) }
  }
  return { look, mend }
}

const ranks = { broken: 0, impaired: 1, note: 2 } as const
const rank = (finding: Finding | null) => (finding ? ranks[finding.severity] : 3)

function readSymptom(words: string): Symptom {
  const symptom = symptomOf(words)
  if (!symptom)
    throw Problem.of('bad-value', {
      field: 'symptom',
      value: words.slice(0, 60),
      expected: `something like ${symptoms.join(', ')}`,
    })
  return symptom
}

interface Sick {
  readonly forward: Forward
  readonly gone: Evidence['gone']
}

function firstOf(store: Store): readonly [readonly Sick[], number] {
  const all = inOrder(store).map((forward) => ({ forward, gone: null }))
  return [all.slice(0, mostPatients), Math.max(0, all.length - mostPatients)]
}

/** One that is gone is told of by the history. */
function patientNamed(store: Store, name: string): Sick {
  try {
    return { forward: findForward(store, name), gone: null }
  } catch (error) {
    for (const { at, command, forwards } of store.history(0, mostChanges)) {
      const { before, after } = forwards[name] ?? {}
      if (before && after === null) {
        const how = command === 'expiry' ? 'expired' : 'closed'
        return { forward: parseForward(before), gone: { how, at: at.replace(/\.\d+Z$/, 'Z') } }
      }
    }
    throw error
  }
}

interface Around {
  readonly facts: FactsAnswer | undefined
  readonly others: Others | undefined
  readonly exposures: readonly Exposure[]
  readonly listeners: Evidence['listeners']
}

async function surroundings({ agent, exposure }: Parts): Promise<Around> {
  const [facts, others, page, listeners] = await Promise.all([
    unlessAway(agent.ask({ verb: 'facts' })),
    unlessAway(agent.ask({ verb: 'others' })),
    unlessAway(exposure([])),
    unlessAway(agent.ask({ verb: 'listeners' })),
  ])
  return { facts, others, exposures: page?.exposures ?? [], listeners: listeners ?? [] }
}

async function evidenceOf(
  parts: Parts,
  { forward, gone }: Sick,
  client: Address | null,
  around: Around,
): Promise<Evidence> {
  const { agent, store } = parts
  const { facts, others, exposures, listeners } = around
  const { lists, settings } = store.register
  const exam = facts
    ? ((await unlessAway(agent.ask({ verb: 'examine', name: forward.name, client: client?.text ?? null }))) ??
      null)
    : null
  const exposure = exposures.find(({ kind, name }) => kind === 'forward' && name === forward.name)
  return {
    forward,
    gone,
    client,
    admits: admitsOf(forward, client, lists),
    locked: settings.locked,
    trouble: facts ? await troubleOf(parts, facts) : null,
    winners: winnersOver(store, forward, exam),
    before: (others?.forwards ?? [])
      .filter((other) => turnOf(other) === 'before' && meets(forward, other))
      .map((other) => describeMeeting(forward, other, 'go')),
    passage: exposure ? passageOf(exposure, settings.mark) : null,
    listeners,
    exam,
    agent: facts ? 'up' : 'away',
  }
}

function admitsOf(
  forward: Forward,
  client: Address | null,
  lists: Store['register']['lists'],
): Evidence['admits'] {
  const { sources } = forward
  if (sources === 'anywhere') return 'yes'
  if (prefixesOf(sources, lists).length === 0) return 'nobody'
  return client && !admitterOf(forward, lists)(client) ? 'not the client' : 'yes'
}

async function troubleOf({ runner, store }: Parts, facts: FactsAnswer): Promise<Evidence['trouble']> {
  const { repairs } = facts
  const of = ({ message, remedy }: Problem) => ({ why: message, remedy })
  if (repairs.refused) return of(Problem.of('repair-refused', { words: repairs.refused }))
  if (repairs.fighting)
    return of(Problem.of('fought-over', { count: repairs.count, by: repairs.last?.by ?? 'unknown' }))
  try {
    await runner.reached(store.generation, settling)
    return null
  } catch (error) {
    return of(runner.problem ?? (error as Problem))
  }
}

/** Forwards for one address each that together take every address by which packets of this one come. */
function winnersOver(store: Store, forward: Forward, exam: Examination | null): Evidence['winners'] {
  const { listen, name } = forward
  if (!exam || listen.kind === 'ping' || listen.place.kind !== 'any') return []
  const outside = exam.outsideAddresses
  const found = [...store.register.forwards.values()].flatMap((other) => {
    const { listen: theirs } = other
    if (other.name === name || !other.enabled || theirs.kind === 'ping' || theirs.place.kind !== 'address')
      return []
    if (!listen.protocols.every((one) => theirs.protocols.includes(one))) return []
    if (intersect(listen.ports, theirs.ports).length === 0) return []
    return [{ name: other.name, where: theirs.place.address.text }]
  })
  const all = outside.length > 0 && outside.every((address) => found.some(({ where }) => where === address))
  return all ? found : []
}

const placed = /table (\S+ \S+), chain ([^,\s]+), (?:rule handle (\d+)|policy)/

/** What the judgement of rules says, with the narrowest that lets the forward pass. */
function passageOf({ state, rule }: Exposure, mark: Mark): Passage {
  const [, table = '', chain = '', handle] = placed.exec(rule) ?? []
  const [family = '', name = ''] = table.split(' ')
  if (handle === undefined && isFamily(family))
    return {
      state,
      rule,
      text: '',
      remedy: 'Admit what forwards have sent on, and nothing else, in that chain.',
      command: admission({ family, table: name, name: chain }, mark),
    }
  return {
    state,
    rule,
    text: '',
    remedy: 'Take that rule away, or put one before it that admits these packets.',
    command: handle === undefined ? '' : `nft delete rule ${table} ${chain} handle ${handle}`,
  }
}

const isFamily = (text: string): text is 'inet' | 'ip' | 'ip6' => ['inet', 'ip', 'ip6'].includes(text)

async function carryOut(
  { service, store }: Parts,
  { mend, forward }: Finding,
  asking: Asking,
): Promise<Changed | null> {
  switch (mend?.kind) {
    case 'enable':
      return service.switch([forward], true, asking)
    case 'lift':
      return service.lockdown(true, asking)
    case 'masquerade': {
      const document = printForward({ ...findForward(store, forward), sourceNat: { kind: 'masquerade' } })
      const sure = { ...asking, privileged: true, takeOver: true }
      return service.apply({ gateway: { version: 1, forwards: [document] } }, sure)
    }
    default:
      return null
  }
}

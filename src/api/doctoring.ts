/** Asks the agent and the store for all that the doctor looks at, and carries out what is Drawbridge's to mend. */
import { diagnose } from '../doctor/diagnose.ts'
import { symptomOf } from '../doctor/symptoms.ts'
import { parseAddress } from '../model/address.ts'
import { type Finding, ranks, type Symptom, symptoms } from '../model/finding.ts'
import { parseForward, printForward } from '../model/forward.ts'
import { Problem } from '../model/problem.ts'
import type { Store } from '../store/store.ts'
import type { Asking } from './asking.ts'
import type { GatewayService } from './gateway.ts'
import { evidenceOf, type Sick, type Sources, surroundings } from './gathering.ts'
import { findForward, inOrder } from './reading.ts'
import type { Changed } from './shapes.ts'
import type { Complaint, DoctorPage, Mended, Patient } from './shapes-doctor.ts'

export interface Doctor {
  look(complaint: Complaint): Promise<DoctorPage>
  mend(complaint: Complaint & { readonly name: string }, asking: Asking): Promise<Mended>
}

interface Parts extends Sources {
  readonly service: GatewayService
}

/** All are looked at when none is named, and each takes a second or two; more than this would take too long. */
const mostPatients = 20
/** Further back in the history it is not looked for a forward that is gone. */
const mostChanges = 1_000

export function doctorOf(parts: Parts): Doctor {
  const look = async ({ name, from, symptom }: Complaint): Promise<DoctorPage> => {
    const client = from === undefined ? null : parseAddress('from', from)
    const notices = symptom === undefined ? null : readSymptom(symptom)
    const { store } = parts
    const [patients, unseen] = name === undefined ? firstOf(store) : [[patientNamed(store, name)], 0]
    const around = surroundings(parts)
    const seen = await Promise.all(
      patients.map(async (patient): Promise<Patient> => {
        const evidence = await evidenceOf(parts, patient, client, around)
        return { name: patient.forward.name, ...diagnose(evidence, notices) }
      }),
    )
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

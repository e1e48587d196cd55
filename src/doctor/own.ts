/** What is wrong with the forward itself. */
import { type Examination, mostExamined } from '../model/examination.ts'
import { familiesOf, isOwn } from '../model/forward.ts'
import { describeSources } from '../model/sources.ts'
import { describeProbe } from '../model/trace.ts'
import { type Check, check } from './check.ts'
import type { Evidence } from './evidence.ts'

/** A forward that takes no packet leaves it to this machine, which refuses it or answers something else. */
const notOurs = ['refused', 'timed out'] as const

const nameOf = ({ forward: { name } }: Evidence) => ({ name })

const placeOf = ({ forward: { listen } }: Evidence) =>
  listen.kind === 'ping' ? ({ kind: 'address', address: listen.address } as const) : listen.place

export const ownChecks: readonly Check[] = [
  check('gone', {
    severity: 'broken',
    symptoms: notOurs,
    look: ({ gone, forward: { name } }) =>
      gone
        ? {
            facts: {
              name,
              how: gone.how === 'expired' ? 'closed as its time was over' : 'closed',
              when: gone.at,
            },
          }
        : undefined,
  }),
  check('disabled', {
    severity: 'broken',
    symptoms: notOurs,
    dependsOn: ['gone'],
    look: (evidence) =>
      evidence.forward.enabled ? undefined : { facts: nameOf(evidence), mend: { kind: 'enable' } },
  }),
  check('locked', {
    severity: 'broken',
    symptoms: ['timed out', 'refused'],
    look: ({ locked }) => (locked ? { facts: {}, mend: { kind: 'lift' } } : undefined),
  }),
  check('agent-away', {
    severity: 'broken',
    symptoms: notOurs,
    look: ({ agent }) => (agent === 'away' ? { facts: {} } : undefined),
  }),
  check('not-in-force', {
    severity: 'broken',
    symptoms: notOurs,
    dependsOn: ['agent-away'],
    look: ({ trouble }) => (trouble ? { facts: trouble } : undefined),
  }),
  check('nobody-admitted', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: ['gone', 'disabled'],
    look: (evidence) => (evidence.admits === 'nobody' ? { facts: nameOf(evidence) } : undefined),
  }),
  check('source-refused', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: ['gone', 'disabled', 'family-missing'],
    look: ({ admits, client, forward, exam }) =>
      admits === 'not the client' && client
        ? {
            facts: {
              client: client.text,
              sources: describeSources(forward.sources),
              refused: exam?.refused ?? 0,
            },
          }
        : undefined,
  }),
  check('family-missing', {
    severity: 'broken',
    symptoms: notOurs,
    dependsOn: ['gone', 'disabled'],
    look: ({ client, forward }) => {
      const families = familiesOf(forward)
      if (!client || families.includes(client.family)) return undefined
      return { facts: { client: client.text, family: client.family, other: families[0] ?? 4 } }
    },
  }),
  check('listen-address-missing', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: ['gone', 'disabled', 'listen-interface-down'],
    look: (evidence) => {
      const place = placeOf(evidence)
      const { exam } = evidence
      if (place.kind !== 'address' || !exam || exam.addresses.includes(place.address.text)) return undefined
      return { facts: { address: place.address.text, addresses: some(exam.addresses) } }
    },
  }),
  check('listen-interface-missing', {
    severity: 'broken',
    symptoms: notOurs,
    dependsOn: ['gone', 'disabled'],
    look: (evidence) => {
      const place = placeOf(evidence)
      const { exam } = evidence
      if (place.kind !== 'interface' || !exam || exam.links[place.name]) return undefined
      return { facts: { name: place.name, links: some(Object.keys(exam.links)) } }
    },
  }),
  check('listen-interface-down', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: ['gone', 'disabled'],
    look: (evidence) => {
      const names = comesBy(evidence)
      const down = names.filter((name) => evidence.exam?.links[name]?.up === false)
      return down[0] ? { facts: { name: down[0] }, partial: down.length < names.length } : undefined
    },
  }),
  check('listen-no-carrier', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: ['gone', 'disabled', 'listen-interface-down'],
    look: (evidence) => {
      const names = comesBy(evidence)
      const loose = names.filter((name) => {
        const link = evidence.exam?.links[name]
        return link?.up && !link.carrier
      })
      return loose[0] ? { facts: { name: loose[0] }, partial: loose.length < names.length } : undefined
    },
  }),
  check('taken-before', {
    severity: 'broken',
    symptoms: ['timed out', 'refused', 'failed handshake'],
    dependsOn: ['gone', 'disabled', 'locked'],
    look: (evidence) => {
      const rule = evidence.before[0] ?? misdirected(evidence)
      return rule === undefined ? undefined : { facts: { rule } }
    },
  }),
]

/** A probe that was sent on to somebody who is no target of the forward. */
function misdirected({ trace, exam, forward }: Evidence): string | undefined {
  if (!trace?.target || !exam || isOutOfSight(exam) || forward.via || isOwn(forward)) return undefined
  if (exam.endpoints.some(({ at }) => at === trace.target)) return undefined
  return `${describeProbe(trace)} was sent on to ${trace.target}, which is no target of the forward`
}

const isOutOfSight = ({ endpoints }: Examination) =>
  endpoints.length === 0 || endpoints.length >= mostExamined

const mostNamed = 6

function some(names: readonly string[]): string {
  const more = names.length - mostNamed
  return [...names.slice(0, mostNamed), ...(more > 0 ? [`${more} more`] : [])].join(', ')
}

/** The interfaces by which its packets come: that of the client, its own, that of its address, or those of the outside. */
export function comesBy(evidence: Evidence): readonly string[] {
  const { exam, client } = evidence
  const place = placeOf(evidence)
  if (!exam) return []
  if (place.kind === 'interface') return [place.name]
  if (client) return exam.clientBy === null ? [] : [exam.clientBy]
  return exam.outside
}

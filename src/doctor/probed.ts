/** What a real packet has shown: which rule took it, and how far it came. */
import type { Ending } from '../model/trace.ts'
import { type Check, check } from './check.ts'
import { among, at, type Evidence } from './evidence.ts'

const ours = 'Drawbridge'
const early = ['gone', 'disabled', 'locked', 'agent-away', 'not-in-force', 'tracking-full'] as const

export type Dropped = Ending & { readonly kind: 'dropped' | 'rejected' }

export function droppedBy({ trace }: Evidence, whose: 'ours' | 'others'): Dropped | undefined {
  const ending = trace?.ending
  if (ending?.kind !== 'dropped' && ending?.kind !== 'rejected') return undefined
  return (ending.judgement.owner === ours) === (whose === 'ours') ? ending : undefined
}

/** Whether it has left this machine, or come to a service of it, past every rule on the way there. */
export function hasPassed({ trace }: Evidence): boolean {
  const passed = ['answered', 'refused', 'unreachable', 'silent', 'answer-dropped', 'answer-unrouted']
  return trace !== null && passed.includes(trace.ending.kind)
}

/** Last of all: what the packet shows and no other check explains. */
export const probeChecks: readonly Check[] = [
  check('refused-here', {
    severity: 'broken',
    symptoms: ['timed out', 'refused'],
    dependsOn: [
      ...early,
      'nobody-admitted',
      'source-refused',
      'banned',
      'limited',
      'no-target',
      'no-target-takes',
    ],
    look: (evidence) => {
      const dropped = droppedBy(evidence, 'ours')
      return (
        dropped && {
          facts: {
            meaning: dropped.meaning || 'a rule of Drawbridge drops it',
            chain: dropped.judgement.chain,
          },
        }
      )
    },
  }),
  check('untaken', {
    severity: 'broken',
    symptoms: ['refused', 'timed out'],
    dependsOn: [
      ...early,
      'family-missing',
      'listen-address-missing',
      'listen-interface-missing',
      'taken-before',
      'no-target',
      'no-target-takes',
    ],
    look: ({ trace }) =>
      trace?.ending.kind === 'untaken'
        ? { facts: { source: trace.source, destination: trace.destination, port: trace.port } }
        : undefined,
  }),
  check('unseen', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: [...early, 'blocked', 'listen-interface-down', 'listen-interface-missing'],
    look: ({ trace }) => (trace?.ending.kind === 'unseen' ? { facts: { why: trace.ending.why } } : undefined),
  }),
  check('unrouted', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: [
      ...early,
      'forwarding-off',
      'reverse-path',
      'no-route',
      'link-down',
      'no-carrier',
      'listen-interface-down',
      'no-target',
    ],
    look: ({ trace }) =>
      trace?.ending.kind === 'unrouted' ? { facts: { why: trace.ending.why } } : undefined,
  }),
  check('answer-unrouted', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: [...early, 'forwarding-off', 'listen-interface-down'],
    look: ({ trace }) =>
      trace?.ending.kind === 'answer-unrouted'
        ? { facts: { why: trace.ending.why, source: trace.source } }
        : undefined,
  }),
  check('refuses-clients', {
    severity: 'broken',
    symptoms: ['refused', 'unreachable'],
    dependsOn: [
      ...early,
      'nothing-listens',
      'target-rejects',
      'other-protocol',
      'blocked',
      'own-not-listening',
      'accepts-and-closes',
      'no-route',
      'no-neighbour',
    ],
    look: (evidence) => {
      const { trace } = evidence
      if (trace?.ending.kind !== 'refused' && trace?.ending.kind !== 'unreachable') return undefined
      if (trace.ending.kind === 'unreachable' && trace.ending.mtu > 0) return undefined
      const found = among(evidence, ({ tcp, at: place }) => (tcp?.answers ?? 0) > 0 && place === trace.target)
      return found && { facts: { ...at(found.endpoint), client: trace.source }, mend: { kind: 'masquerade' } }
    },
  }),
]

/** Who of this machine refuses the packets: bans, rules of others, limits. */
import { describeBan } from '../model/bans.ts'
import { printRate } from '../model/limits.ts'
import { type Check, check } from './check.ts'
import type { Evidence } from './evidence.ts'

const before = ['gone', 'disabled', 'locked', 'family-missing'] as const

export const refusalChecks: readonly Check[] = [
  check('banned', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: before,
    look: ({ exam, client }) => {
      const ban = exam?.bans[0]
      return ban && client ? { facts: { ban: describeBan(ban), address: client.text } } : undefined
    },
  }),
  check('blocked', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable', 'refused'],
    dependsOn: [
      ...before,
      'nobody-admitted',
      'listen-address-missing',
      'listen-interface-missing',
      'listen-interface-down',
      'taken-before',
      'agent-away',
      'no-target',
      'no-target-takes',
      'no-route',
    ],
    look: ({ passage }) => (passage?.state === 'closed' ? { facts: passage } : undefined),
  }),
  check('limited', {
    severity: 'impaired',
    symptoms: ['timed out', 'intermittent loss'],
    dependsOn: [...before, 'source-refused', 'banned'],
    look: (evidence) => {
      const { exam } = evidence
      if (!exam || !(exam.limitedNow > 0 || isAtLimit(evidence))) return undefined
      return { facts: { limits: limitWords(evidence), now: exam.limitedNow, all: exam.limited } }
    },
  }),
]

function isAtLimit({ exam, forward, client }: Evidence): boolean {
  const { openPerSource } = forward.limits
  return Boolean(client && exam && openPerSource && exam.flows.ofClient >= openPerSource)
}

function limitWords({ forward: { limits }, client, exam }: Evidence): string {
  const { newPerSource, openPerSource } = limits
  const has = client && exam && openPerSource ? ` (${client.text} has ${exam.flows.ofClient})` : ''
  return [
    ...(newPerSource ? [`the limit is ${printRate(newPerSource)} new connections for each source`] : []),
    ...(openPerSource ? [`at most ${openPerSource} connections are open for each source${has}`] : []),
  ].join(', and ')
}

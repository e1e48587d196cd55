/** Who of this machine refuses the packets: bans, rules of others, limits. */
import { type Ban, describeBan } from '../model/bans.ts'
import { printRate } from '../model/limits.ts'
import { describeEnding, type Trace } from '../model/trace.ts'
import { type Check, check } from './check.ts'
import type { Evidence } from './evidence.ts'
import { passingBy, remedyFor } from './passing.ts'
import { droppedBy, hasPassed } from './probed.ts'

const before = ['gone', 'disabled', 'locked', 'family-missing'] as const

export const refusalChecks: readonly Check[] = [
  check('banned', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: before,
    look: ({ exam, client }) => {
      const ban = exam?.bans[0]
      return ban && client
        ? { facts: { ban: describeBan(ban), address: client.text, command: unbanning(ban) } }
        : undefined
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
    look: (evidence) => blockedBy(evidence),
  }),
  check('answer-blocked', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: [...before, 'agent-away'],
    look: ({ trace, mark }) =>
      trace?.ending.kind === 'answer-dropped'
        ? {
            facts: {
              rule: describeEnding(trace),
              remedy: remedyFor(passingBy(trace.ending.judgement, mark)),
              command: passingBy(trace.ending.judgement, mark),
            },
          }
        : undefined,
  }),
  check('limited', {
    severity: 'impaired',
    symptoms: ['timed out', 'intermittent loss'],
    dependsOn: [...before, 'source-refused', 'banned'],
    look: (evidence) => {
      const { exam } = evidence
      const probed = droppedBy(evidence, 'ours')?.meaning.includes('limit') ?? false
      if (!exam || !(exam.limitedNow > 0 || probed || isAtLimit(evidence))) return undefined
      return { facts: { limits: limitWords(evidence), now: exam.limitedNow, all: exam.limited } }
    },
  }),
]

/** `fail2ban (sshd)`, `crowdsec (cscli)`: as the neighbours name themselves. */
function unbanning({ by, address }: Ban): string {
  const jail = /^fail2ban \((.+)\)$/i.exec(by)?.[1]
  if (jail) return `fail2ban-client set ${jail} unbanip ${address}`
  return /^crowdsec/i.test(by) ? `cscli decisions delete --ip ${address}` : ''
}

/** A packet that came through is worth more than what was read of rules, but it meets none of netdev or of a bridge. */
function blockedBy(evidence: Evidence) {
  const { passage } = evidence
  const dropped = droppedBy(evidence, 'others')
  if (dropped) {
    const command = passingBy(dropped.judgement, evidence.mark)
    return {
      facts: {
        rule: describeEnding(evidence.trace as Trace).replace(/^lost: /, ''),
        remedy: remedyFor(command),
        command,
      },
    }
  }
  if (passage?.state !== 'closed' || !passage.rule.startsWith('blocked by')) return undefined
  const early = /\btable (netdev|bridge)\b/.test(passage.rule)
  return early || !hasPassed(evidence) ? { facts: passage } : undefined
}

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

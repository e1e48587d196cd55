/** The target, or the service of this machine, and its answers. */
import { isEverywhere, isLoopback } from '../model/address.ts'
import type { EndpointExam } from '../model/examination.ts'
import { isOwn } from '../model/forward.ts'
import type { Transport } from '../model/listen.ts'
import type { Listener } from '../model/listeners.ts'
import { type Check, check } from './check.ts'
import { among, at, type Evidence, unproven } from './evidence.ts'
import { isSilent } from './way.ts'

const early = ['gone', 'disabled', 'locked', 'agent-away'] as const
const lost = [
  'no-route',
  'link-down',
  'no-carrier',
  'no-neighbour',
  'wrong-route',
  'neighbour-fixed',
  'tracking-full',
  'source-ports-exhausted',
] as const

const asks = ({ forward: { listen } }: Evidence, protocol: Transport) =>
  listen.kind === 'ports' && listen.protocols.includes(protocol)

export const targetChecks: readonly Check[] = [
  check('other-protocol', {
    severity: 'broken',
    symptoms: ['refused', 'timed out'],
    dependsOn: [...early, ...lost],
    look: (evidence) => {
      const found = among(evidence, (one) => otherProtocol(evidence, one) !== undefined)
      const other = found && otherProtocol(evidence, found.endpoint)
      return found && other
        ? { facts: { ...at(found.endpoint), ...other }, partial: found.partial }
        : undefined
    },
  }),
  check('nothing-listens', {
    severity: 'broken',
    symptoms: ['refused'],
    dependsOn: [...early, ...lost, 'other-protocol'],
    look: (evidence) => {
      const found = unproven(evidence, (one) => refuses(evidence, one))
      return (
        found && {
          facts: {
            ...at(found.endpoint),
            answers: found.endpoint.tcp?.refuses
              ? `${found.endpoint.tcp.refuses} of ${sum(found.endpoint)} connections were reset`
              : 'it says by ICMP that the port is closed',
          },
          partial: found.partial,
        }
      )
    },
  }),
  check('target-rejects', {
    severity: 'broken',
    symptoms: ['unreachable', 'refused'],
    dependsOn: [...early, ...lost],
    look: (evidence) => {
      const found = unproven(evidence, ({ tcp, udp }) =>
        tcp ? tcp.unreachable > 0 && tcp.answers === 0 : udp === 'unreachable',
      )
      return found && { facts: at(found.endpoint), partial: found.partial }
    },
  }),
  check('target-silent', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: [...early, ...lost, 'target-rejects'],
    look: (evidence) => {
      const found = unproven(evidence, ({ tcp, port, pings, neighbour }) =>
        tcp
          ? tcp.silent > 0 && tcp.answers + tcp.refuses === 0
          : port === null && neighbour !== 'unasked' && pings?.answered === 0,
      )
      return (
        found && {
          facts: { ...at(found.endpoint), there: thereWords(found.endpoint) },
          partial: found.partial,
        }
      )
    },
  }),
  check('accepts-and-closes', {
    severity: 'broken',
    symptoms: ['failed handshake'],
    dependsOn: early,
    look: (evidence) => {
      const found = among(evidence, ({ held }) => held === 'closed' || held === 'reset')
      const how = found?.endpoint.held === 'reset' ? 'resets' : 'closes'
      return found && { facts: { ...at(found.endpoint), how }, partial: found.partial }
    },
  }),
  check('own-other-protocol', {
    severity: 'broken',
    symptoms: ['refused'],
    dependsOn: early,
    look: (evidence) =>
      ownMissing(evidence, (port, protocol) => {
        const there = protocol === 'tcp' ? 'udp' : 'tcp'
        const other = evidence.listeners.some((one) => one.port === port && one.protocol === there)
        return other && !asks(evidence, there) ? { port, asked: protocol, there } : undefined
      }),
  }),
  check('own-loopback-only', {
    severity: 'broken',
    symptoms: ['refused'],
    dependsOn: early,
    look: (evidence) =>
      ownMissing(evidence, (port, protocol, there) => {
        const [one] = there
        return one && there.every(({ address }) => isLoopback(address))
          ? { port, protocol, address: one.address }
          : undefined
      }),
  }),
  check('own-other-address', {
    severity: 'broken',
    symptoms: ['refused'],
    dependsOn: [...early, 'own-loopback-only'],
    look: (evidence) =>
      ownMissing(evidence, (port, protocol, there) => {
        const one = there.find(({ address }) => !isLoopback(address))
        return one ? { port, protocol, address: one.address, wanted: wantedOf(evidence) } : undefined
      }),
  }),
  check('own-not-listening', {
    severity: 'broken',
    symptoms: ['refused'],
    dependsOn: [...early, 'own-other-protocol', 'own-loopback-only', 'own-other-address'],
    look: (evidence) =>
      ownMissing(evidence, (port, protocol, there) => (there.length === 0 ? { port, protocol } : undefined)),
  }),
  check('listen-overflows', {
    severity: 'impaired',
    symptoms: ['timed out', 'intermittent loss'],
    look: ({ exam, forward }) =>
      exam && isOwn(forward) && exam.losses.listenOverflows > 0
        ? { facts: { count: exam.losses.listenOverflows } }
        : undefined,
  }),
  check('no-way-back', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: [
      ...early,
      ...lost,
      'nothing-listens',
      'target-silent',
      'target-rejects',
      'blocked',
      'forwarding-off',
      'other-protocol',
      'tracking-full',
      'loss',
      'reverse-path',
    ],
    look: (evidence) => {
      const waiting = waitingOf(evidence)
      // Masqueraded or through a proxy, the target answers this machine itself.
      if (!waiting || evidence.forward.via || evidence.forward.sourceNat.kind === 'masquerade')
        return undefined
      const found = among(evidence, ({ tcp, own }) => (tcp?.answers ?? 0) > 0 && !own)
      return (
        found && {
          facts: { ...at(found.endpoint), ...waiting },
          mend: { kind: 'masquerade' },
        }
      )
    },
  }),
]

/** Whose packets came to the target and were not answered here: by a probe, or where none could be sent by what is tracked. */
function waitingOf({ exam, trace, forward }: Evidence) {
  if (forward.via || !exam) return undefined
  const { flows } = exam
  if (trace)
    return trace.ending.kind === 'silent' && trace.protocol === 'tcp'
      ? {
          who: `a connection of ${trace.source}, sent as a probe, was not answered within ${trace.patience / 1000} s`,
        }
      : undefined
  if (flows.sinceUnanswered === null) return undefined
  // An answer that came later shows that the way is there by now.
  if (flows.sinceAnswered !== null && flows.sinceAnswered <= flows.sinceUnanswered) return undefined
  return { who: `${flows.unanswered} of its clients wait for an answer, the newest is ${flows.example}` }
}

const sum = ({ tcp }: EndpointExam) => (tcp ? tcp.answers + tcp.refuses + tcp.silent + tcp.unreachable : 0)

/** TCP says so itself; of UDP a closed port says so by ICMP. */
function refuses(evidence: Evidence, { tcp, udp }: EndpointExam): boolean {
  if (asks(evidence, 'tcp') && tcp && tcp.refuses > 0 && tcp.answers === 0) return true
  return asks(evidence, 'udp') && udp === 'refused'
}

/** Of UDP, silence tells only where the host says of another port that it is closed. */
function otherProtocol(evidence: Evidence, one: EndpointExam) {
  const { tcp, alsoTcp, udp, closedPort } = one
  const [wantsTcp, wantsUdp] = [asks(evidence, 'tcp'), asks(evidence, 'udp')]
  const udpThere = udp === 'answers' || (udp === 'quiet' && closedPort === 'refused')
  if (wantsTcp && !wantsUdp && tcp && tcp.refuses > 0 && tcp.answers === 0 && udpThere)
    return { asked: 'TCP', there: 'UDP' }
  if (wantsUdp && !wantsTcp && udp === 'refused' && alsoTcp) return { asked: 'UDP', there: 'TCP' }
  return undefined
}

function thereWords(one: EndpointExam): string {
  if (!isSilent(one)) return 'its host answers ping'
  if (one.neighbour === 'there')
    return one.way?.via ? `the router ${one.way.via} is there` : 'its host is there'
  return 'a way leads there'
}

function wantedOf({ forward: { listen } }: Evidence): string {
  return listen.kind === 'ports' && listen.place.kind === 'address'
    ? listen.place.address.text
    : 'any address'
}

/** The first port of a service opened here that nobody serves where the forward is for. */
function ownMissing<F>(
  evidence: Evidence,
  told: (port: number, protocol: Transport, there: readonly Listener[]) => F | undefined,
): { facts: F } | undefined {
  const { forward, listeners, exam } = evidence
  const { listen } = forward
  if (!isOwn(forward) || !exam || listen.kind === 'ping') return undefined
  const wanted = wantedOf(evidence)
  for (const { first } of listen.ports)
    for (const protocol of listen.protocols) {
      const there = listeners.filter((one) => one.protocol === protocol && one.port === first)
      const served = there.some(
        ({ address }) =>
          isEverywhere(address) || (!isLoopback(address) && (wanted === 'any address' || address === wanted)),
      )
      const facts = served ? undefined : told(first, protocol, there)
      if (facts) return { facts }
    }
  return undefined
}

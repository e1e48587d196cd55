/** What the kernel is told, or has no room for. */
import { type Check, check } from './check.ts'
import { type Evidence, familiesAsked, taking } from './evidence.ts'
import { comesBy } from './own.ts'

const nearly = 0.9
/** Longer lists than this cost every packet (Documentation/networking/nf_conntrack-sysctl.rst makes as many buckets as entries). */
const mostInBucket = 8
const ephemeralPorts = 64_512

export const kernelChecks: readonly Check[] = [
  check('forwarding-off', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: ['gone', 'disabled', 'locked', 'agent-away'],
    look: forwardingOff,
  }),
  check('reverse-path', {
    severity: 'broken',
    symptoms: ['timed out'],
    dependsOn: ['gone', 'disabled', 'forwarding-off'],
    look: reversePath,
  }),
  check('tracking-full', {
    severity: 'broken',
    symptoms: ['timed out', 'intermittent loss'],
    look: ({ exam }) => {
      if (!exam || exam.mostTracked === 0) return undefined
      const { tracked, mostTracked: most, losses } = exam
      // A packet for which no port is free is counted among those that are dropped too (nf_conntrack_in).
      const full = tracked >= most || (losses.trackingFull > 0 && tracked >= most * nearly)
      return full ? { facts: { tracked, most, lost: losses.trackingFull } } : undefined
    },
  }),
  check('tracking-nearly-full', {
    severity: 'impaired',
    symptoms: ['intermittent loss'],
    dependsOn: ['tracking-full'],
    look: ({ exam }) =>
      exam && exam.mostTracked > 0 && exam.tracked >= exam.mostTracked * nearly
        ? { facts: { tracked: exam.tracked, most: exam.mostTracked } }
        : undefined,
  }),
  check('tracking-hash-small', {
    severity: 'note',
    symptoms: ['intermittent loss'],
    look: ({ exam }) =>
      exam && exam.buckets > 0 && exam.tracked > exam.buckets * mostInBucket
        ? {
            facts: {
              tracked: exam.tracked,
              buckets: exam.buckets,
              wanted: 2 ** Math.ceil(Math.log2(exam.tracked)),
            },
          }
        : undefined,
  }),
  check('source-ports-exhausted', {
    severity: 'broken',
    symptoms: ['timed out', 'intermittent loss'],
    look: ({ exam, forward }) => {
      const most = forward.sourceNat.kind === 'preserve' ? null : exam?.flows.masqueraded
      if (!most || most.count < ephemeralPorts * nearly) return undefined
      return { facts: { ...most, ports: ephemeralPorts }, partial: most.count < ephemeralPorts }
    },
  }),
]

/** ip_forward() asks the interface by which the packet came, ip6_forward() the machine. A service here needs none, nor a proxy. */
function forwardingOff(evidence: Evidence) {
  const { exam, forward } = evidence
  if (!exam || forward.via || taking(evidence).every(({ own }) => own)) return undefined
  const families = familiesAsked(evidence)
  const stopped = [
    ...(families.includes(4)
      ? comesBy(evidence)
          .filter((name) => exam.links[name]?.forwards4 === false)
          .map((name) => ({
            family: 4,
            interface: name,
            key: exam.forwards4 ? `net.ipv4.conf.${name}.forwarding` : 'net.ipv4.ip_forward',
          }))
      : []),
    ...(families.includes(6) && !exam.forwards6
      ? [{ family: 6, interface: 'all', key: 'net.ipv6.conf.all.forwarding' }]
      : []),
  ]
  const [first] = stopped
  return first
    ? { facts: first, partial: new Set(stopped.map(({ family }) => family)).size < families.length }
    : undefined
}

/** Of IPv4 alone. Strict: the answer must leave where the packet came; the counter says that it has happened. */
function reversePath(evidence: Evidence) {
  const { exam, client } = evidence
  if (!exam) return undefined
  const back = Object.entries(exam.links).find(([, { rpFilter }]) => rpFilter !== 0)
  const [name, link] = back ?? []
  if (!name || !link || exam.losses.reversePath === 0) return undefined
  return {
    facts: {
      interface: name,
      by: exam.clientBy ?? 'another interface',
      client: client?.text ?? 'their sources',
      drops: exam.losses.reversePath,
      mode: link.rpFilter,
    },
  }
}

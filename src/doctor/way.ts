/** The way to the target. */
import { isNamed, printDestination } from '../model/destination.ts'
import type { EndpointExam } from '../model/examination.ts'
import { isOwn } from '../model/forward.ts'
import { type Check, check } from './check.ts'
import { among, at, type Evidence, familiesAsked, taking, unproven } from './evidence.ts'

const early = ['gone', 'disabled', 'locked', 'agent-away'] as const
/** Fewer lost than this may be chance: a single one is no loss. */
const leastLost = 2
/** Half of the connections in a local network take less than a hundredth of this. */
const slowMilliseconds = 500

/** Nobody has answered anything. */
export function isSilent({ tcp, pings, udp }: EndpointExam): boolean {
  const heard = (tcp && tcp.answers + tcp.refuses > 0) || (pings?.answered ?? 0) > 0
  return !heard && udp !== 'refused' && udp !== 'answers'
}

export const wayChecks: readonly Check[] = [
  check('no-target', {
    severity: 'broken',
    symptoms: ['refused'],
    dependsOn: early,
    look: ({ forward, exam }) => {
      if (!exam || isOwn(forward) || exam.endpoints.length > 0) return undefined
      const named = forward.targets.find(({ destination }) => isNamed(destination))
      return named && { facts: { name: forward.name, named: printDestination(named.destination) } }
    },
  }),
  check('no-target-takes', {
    severity: 'broken',
    symptoms: ['refused'],
    dependsOn: [...early, 'no-target'],
    look: (evidence) => {
      const all = evidence.exam?.endpoints ?? []
      if (all.length === 0 || taking(evidence).length > 0) return undefined
      const some = all.filter(({ address }) => familiesAsked(evidence).includes(address.family))
      if (some.length === 0) return undefined
      const count = (state: EndpointExam['state']) => some.filter((one) => one.state === state).length
      return { facts: { draining: count('draining'), down: count('down') } }
    },
  }),
  check('link-down', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: early,
    look: (evidence) => linkOf(evidence, (link) => !link.up),
  }),
  check('no-carrier', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: [...early, 'link-down'],
    look: (evidence) => linkOf(evidence, (link) => link.up && !link.carrier),
  }),
  check('no-route', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: [...early, 'link-down', 'no-carrier'],
    look: (evidence) => {
      const found = unproven(evidence, ({ way }) => way === null)
      if (!found) return undefined
      const { endpoint, partial } = found
      const kind = endpoint.refusal ?? 'none'
      const six = endpoint.address.family === 6 ? '-6 ' : ''
      const command = kind === 'none' ? '' : `ip ${six}route del ${kind} ${endpoint.address.text}`
      const down = Object.entries(evidence.exam?.links ?? {}).filter(([, link]) => !link.up)
      if (kind === 'none' && down[0])
        return { facts: { ...at(endpoint), kind, command: `ip link set ${down[0][0]} up` }, partial }
      return { facts: { ...at(endpoint), kind, command }, partial }
    },
  }),
  check('wrong-route', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: [...early, 'no-route'],
    look: (evidence) => {
      const found = unproven(evidence, (one) => one.way?.isDefault === true && !answers(one))
      if (!found?.endpoint.way) return undefined
      const { by, via } = found.endpoint.way
      return { facts: { ...at(found.endpoint), by, via }, partial: found.partial }
    },
  }),
  check('no-neighbour', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: [...early, 'link-down', 'no-carrier', 'wrong-route'],
    look: (evidence) => {
      const found = unproven(evidence, (one) => one.neighbour === 'missing' && !answers(one))
      if (!found?.endpoint.way) return undefined
      const { address, way } = found.endpoint
      const asks = address.family === 4 ? 'ARP' : 'neighbour discovery'
      const who = way.via === '' ? address.text : `the router ${way.via}`
      return { facts: { ...at(found.endpoint), by: way.by, asks, who }, partial: found.partial }
    },
  }),
  check('neighbour-fixed', {
    severity: 'broken',
    symptoms: ['timed out', 'unreachable'],
    dependsOn: [...early, 'link-down', 'no-carrier', 'wrong-route'],
    look: (evidence) => {
      const found = unproven(evidence, (one) => one.neighbour === 'fixed' && isSilent(one))
      if (!found?.endpoint.way) return undefined
      const { address, way } = found.endpoint
      const via = way.via || address.text
      const command = `ip neigh del ${via} dev ${way.by}`
      return { facts: { ...at(found.endpoint), by: way.by, via, command }, partial: found.partial }
    },
  }),
  check('path-too-narrow', {
    severity: 'impaired',
    symptoms: ['intermittent loss', 'failed handshake'],
    dependsOn: [...early, 'no-neighbour', 'loss'],
    look: (evidence) => {
      const found = among(evidence, ({ size }) => size !== null && size.fits < size.link - 8)
      const { size, way } = found?.endpoint ?? {}
      return found && size && way
        ? { facts: { ...at(found.endpoint), ...size, by: way.by }, partial: found.partial }
        : undefined
    },
  }),
  check('loss', {
    severity: 'impaired',
    symptoms: ['intermittent loss', 'timed out'],
    dependsOn: ['tracking-full', ...early, 'no-neighbour', 'link-down'],
    look: (evidence) => {
      const found = among(evidence, (one) => lossOf(one) !== undefined)
      const lost = found && lossOf(found.endpoint)
      return found && lost ? { facts: { ...at(found.endpoint), ...lost } } : undefined
    },
  }),
  check('slow', {
    severity: 'impaired',
    symptoms: ['intermittent loss', 'timed out'],
    dependsOn: [...early, 'loss', 'overloaded'],
    look: (evidence) => {
      const found = among(evidence, ({ tcp }) => (tcp?.milliseconds ?? 0) > slowMilliseconds)
      return found && { facts: { ...at(found.endpoint), milliseconds: slowMilliseconds } }
    },
  }),
]

function answers({ tcp, udp, pings }: EndpointExam): boolean {
  return (tcp?.answers ?? 0) > 0 || udp === 'answers' || (pings?.answered ?? 0) > 0
}

function lossOf({ tcp, pings }: EndpointExam) {
  const heard = tcp ? tcp.answers + tcp.refuses : 0
  if (tcp && heard > 0 && tcp.silent >= leastLost)
    return { lost: tcp.silent, sent: heard + tcp.silent, what: 'connections' }
  if (pings && pings.answered > 0 && pings.sent - pings.answered >= leastLost)
    return { lost: pings.sent - pings.answered, sent: pings.sent, what: 'pings' }
  return undefined
}

function linkOf(evidence: Evidence, isSo: (link: { up: boolean; carrier: boolean }) => boolean) {
  const { links = {} } = evidence.exam ?? {}
  const found = among(evidence, ({ way }) => {
    const link = links[way?.by ?? '']
    return link !== undefined && isSo(link)
  })
  if (!found?.endpoint.way) return undefined
  return { facts: { ...at(found.endpoint), by: found.endpoint.way.by }, partial: found.partial }
}

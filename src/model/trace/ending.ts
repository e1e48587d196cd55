/** How a probe ended, from what was seen of it and what the machine says about what was not. */
import { withPort } from '../address.ts'
import type { Ending } from '../trace.ts'
import { type Hop, hopsOf, type Judgement, packetsOf, type Scene, type Walk } from './hops.ts'
import { ACK, ends, type Header, isProbeStep, type Probe, RST, SYN, type TraceStep } from './step.ts'

/** What routing says of a packet that got no further: an interface, or the number of an error (errno(3)). */
type Routed =
  | { readonly kind: 'way'; readonly interface: string }
  | { readonly kind: 'refused'; readonly errno: number }

export interface Seen {
  readonly probe: Probe
  readonly steps: readonly TraceStep[]
  readonly ended: 'closed' | 'reset' | 'cut' | null
  readonly scene: Scene
  /** The forward opens a service of this machine. */
  readonly own: boolean
}

/** Asked of the machine where something was not seen. */
export interface Machine {
  /** Whether the interface of the probe is up. */
  readonly up: boolean
  /** Whether what comes by an interface is sent on. */
  readonly forwards: (by: string) => boolean
  readonly routed: (packet: {
    readonly source: string
    readonly destination: string
    readonly by: string
  }) => Promise<Routed>
  readonly neighbour: (
    address: string,
  ) => Promise<Pick<Ending & { kind: 'silent' }, 'neighbour' | 'via' | 'by'>>
}

export interface Outcome {
  readonly hops: readonly Hop[]
  readonly target: string
  readonly ending: Ending
}

export async function outcomeOf(seen: Seen, machine: Machine): Promise<Outcome> {
  const { there, back } = packetsOf(seen.steps, seen.probe)
  const hops = [...hopsOf(there, 'there', seen.scene), ...hopsOf(back, 'back', seen.scene)]
  const last = there.at(-1)?.header
  const translated = last !== undefined && placeOf(last) !== placeOf(seen.probe)
  const target = translated || (seen.own && last) ? placeOf(last) : ''
  return { hops, target, ending: await endingOf(seen, machine, { there, back, hops, target }) }
}

type Packets = { readonly there: readonly Walk[]; readonly back: readonly Walk[] } & Pick<
  Outcome,
  'hops' | 'target'
>

async function endingOf(seen: Seen, machine: Machine, packets: Packets): Promise<Ending> {
  const { there, back, hops, target } = packets
  const [walk, step] = [there.at(-1), there.at(-1)?.steps.at(-1)]
  if (!walk || !step)
    return {
      kind: 'unseen',
      why: machine.up ? 'something before the first table has taken it' : 'the interface is down',
    }
  const stopped = stopIn(hops, 'there')
  if (stopped) {
    const kind = back.length > 0 ? 'rejected' : 'dropped'
    return { kind, judgement: stopped, meaning: meaningOf(stopped) }
  }
  const [delivered, left] = [isEnd(step, ends.input), isEnd(step, ends.postrouting)]
  const answer = answerIn(back)
  if (!delivered && !left && !(answer?.error && isTooBig(answer.error)))
    return { kind: 'unrouted', why: await unrouted(walk.header, seen.probe.by, machine) }
  if (delivered && !seen.own && target === '') return { kind: 'untaken' }
  // What this machine itself says of a host is that nobody has answered for its address.
  const own = answer?.error && !isTooBig(answer.error) && back[0]?.steps[0]?.in === ''
  const silent = own && left ? await machine.neighbour(walk.header.destination) : undefined
  if (silent?.neighbour === 'missing') return { kind: 'silent', ...silent }
  if (answer) return answered(answer, back, target, seen.ended)
  if (back.length > 0) return lostAnswer(back, hops, machine)
  if (delivered) return { kind: 'silent', neighbour: 'own', via: '', by: '' }
  return { kind: 'silent', ...(await machine.neighbour(walk.header.destination)) }
}

const isEnd = (step: TraceStep, chain: string) => isProbeStep(step) && step.chain === chain

function stopIn(hops: readonly Hop[], way: Hop['way']): Judgement | undefined {
  return hops.find(
    (hop): hop is Hop & { kind: 'judged' } =>
      hop.kind === 'judged' && hop.way === way && hop.verdict !== 'accept',
  )
}

/** What a drop of ours means; see src/compile/skeleton.ts. */
function meaningOf({ table, chain, rule }: Judgement): string {
  if (table !== 'inet drawbridge') return ''
  if (chain === 'sources') return 'its source is not among those of the forward'
  if (chain === 'guard') return 'it is beyond a limit of the forward'
  if (chain === 'forward') return 'no forward made it, and this machine did not forward before Drawbridge'
  if (rule.includes('@banned')) return 'another program has banned its source'
  return rule.includes('@refusing') ? 'no target takes connections now' : ''
}

/** Errors of routing: net/ipv4/route.c and fib_frontend.c. */
const EXDEV = 18
const [EACCES, EINVAL, ENETUNREACH, EHOSTUNREACH] = [13, 22, 101, 113]

async function unrouted(header: Header, by: string, machine: Machine): Promise<string> {
  const { source, destination } = header
  if (!machine.forwards(by))
    return `this machine does not forward what comes by ${by} (${source.includes(':') ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward, or forwarding of the interface'})`
  const routed = await machine.routed({ source, destination, by })
  if (routed.kind === 'way')
    return routed.interface === by
      ? `its way to ${destination} leads back out by ${by}, and something between routing and the tables has taken it`
      : `something between routing and the tables has taken it, on its way to ${routed.interface}`
  switch (routed.errno) {
    case EXDEV:
      return `rp_filter refuses it, as the way back to ${source} does not lead by ${by}`
    case ENETUNREACH:
    case EHOSTUNREACH:
      return `there is no route to ${destination}`
    case EACCES:
      return `a route prohibits ${destination}`
    case EINVAL:
      return `a route of this machine makes an end of it (blackhole), or ${source} cannot come by ${by}`
    default:
      return `routing refuses it (errno ${routed.errno})`
  }
}

/** The answer as the source of the probe would see it. */
function answerIn(back: readonly Walk[]): Header | undefined {
  return back.find(({ steps }) =>
    steps.some((step) => isEnd(step, ends.postrouting) && step.verdict === 'drop'),
  )?.header
}

function answered(answer: Header, back: readonly Walk[], target: string, ended: Seen['ended']): Ending {
  const first = back[0]
  const milliseconds = first?.steps[0]?.at ?? 0
  const from = (first?.steps[0]?.in ?? '') === '' ? 'this machine' : (first?.header.source ?? '')
  if (answer.error)
    return {
      kind: 'unreachable',
      by: from,
      milliseconds,
      mtu: answer.error.mtu,
      why: errorWords(answer.error, answer),
    }
  if (answer.protocol === 'udp') return { kind: 'answered', how: 'data', ended: '', milliseconds }
  if (answer.protocol === 'icmp') return { kind: 'answered', how: 'echo', ended: '', milliseconds }
  const flags = answer.tcp?.flags ?? 0
  if ((flags & (SYN | ACK)) === (SYN | ACK))
    return { kind: 'answered', how: 'accepts', ended: endings[ended ?? 'closed'], milliseconds }
  return { kind: 'refused', by: flags & RST ? target : from, milliseconds }
}

const endings = { closed: '', reset: ', and resets it', cut: '' } as const

async function lostAnswer(back: readonly Walk[], hops: readonly Hop[], machine: Machine): Promise<Ending> {
  const stopped = stopIn(hops, 'back')
  if (stopped) return { kind: 'answer-dropped', judgement: stopped }
  const [walk, by] = [back.at(-1), back[0]?.steps[0]?.in ?? '']
  if (!walk) return { kind: 'answer-unrouted', why: '' }
  return { kind: 'answer-unrouted', why: await unrouted(walk.header, by, machine) }
}

function placeOf(one: Pick<Header, 'destination' | 'port' | 'protocol'>): string {
  const address = { family: one.destination.includes(':') ? 6 : 4, text: one.destination } as const
  return one.protocol === 'icmp' ? one.destination : withPort(address, String(one.port))
}

const isTooBig = ({ type, code, mtu }: NonNullable<Header['error']>) => mtu > 0 || (type === 3 && code === 4)
const tooBig = (mtu: number) =>
  `the packet is too big for the way${mtu > 0 ? `, which takes ${mtu} bytes` : ''}`

/** RFC 792, 1122, 1812 and 4443. */
function errorWords({ type, code, mtu }: NonNullable<Header['error']>, { source }: Header): string {
  const known = source.includes(':') ? words6[`${type}.${code}`] : words4[`${type}.${code}`]
  if (isTooBig({ type, code, mtu })) return tooBig(mtu)
  return known ?? `an error of ICMP (type ${type}, code ${code})`
}

const prohibited = 'a firewall forbids it'
const words4: Readonly<Record<string, string>> = {
  '3.0': 'the network is unreachable',
  '3.1': 'the host is unreachable',
  '3.2': 'the host does not know the protocol',
  '3.3': 'nothing listens on the port',
  '3.9': prohibited,
  '3.10': prohibited,
  '3.13': prohibited,
  '11.0': 'it has gone in a circle, or over too many routers',
}
const words6: Readonly<Record<string, string>> = {
  '1.0': 'there is no route',
  '1.1': prohibited,
  '1.3': 'the host is unreachable',
  '1.4': 'nothing listens on the port',
  '1.5': prohibited,
  '3.0': 'it has gone in a circle, or over too many routers',
}

/**
 * The table of one probe: it has the kernel trace this packet and what answers it, and keeps the answers from leaving the
 * machine, as whoever the source address belongs to has not asked. It is owned by a socket and goes with it.
 */
import { ends, type Probe, probeTable } from '../../model/trace/step.ts'

/** The kernel confirms connections at the very end of a hook (NF_IP_PRI_CONNTRACK_CONFIRM, INT_MAX); this is just before. */
const last = 2_147_483_646
/** Before connection tracking and every usual table. */
const first = -350
/** Just behind destination NAT, where an answer to a masqueraded connection has its client's address again. */
const renamed = -99

const trace = 'meta nftrace set 1'

/** `ingress`: somebody has chains at the ingress of interfaces, which come before all others. */
export function tableOf(probe: Probe, ingress: boolean): string {
  const answers = [...answersOf(probe), errorsOf(probe)].map((one) => `${one} ${trace}`)
  const chain = (name: string, hook: string, priority: number, rules: readonly string[]) =>
    `chain ${name} { type filter hook ${hook} priority ${priority}; policy accept;\n${rules.join('\n')}\n}`
  return [
    `table inet ${probeTable} {`,
    'flags owner;',
    chain('first', 'prerouting', first, [`${sentOf(probe)} ${trace}`, ...answers]),
    chain('renamed', 'prerouting', renamed, answers),
    chain('own', 'output', first, answers),
    chain(ends.prerouting, 'prerouting', last, []),
    chain(ends.input, 'input', last, []),
    chain(ends.forward, 'forward', last, []),
    chain(
      ends.postrouting,
      'postrouting',
      last,
      homeOf(probe).map((one) => `${one} drop`),
    ),
    '}',
    ...(ingress ? ingressOf(probe) : []),
    '',
  ].join('\n')
}

/** A kernel may be without tables of this family; where somebody has chains there, it is not. */
function ingressOf(probe: Probe): readonly string[] {
  const hook = `type filter hook ingress device "${probe.by}" priority -500;`
  return [
    `table netdev ${probeTable} {`,
    'flags owner;',
    `chain ingress { ${hook} policy accept;\n${sentOf(probe)} ${trace}\n}`,
    '}',
  ]
}

const ip = ({ family }: Probe) => (family === 4 ? 'ip' : 'ip6')

/** The packet itself. Of a conversation the first one only: the others go the way that connection tracking knows. */
function sentOf(probe: Probe): string {
  const { protocol, source, sourcePort, destination, port } = probe
  const between = `${ip(probe)} saddr ${source} ${ip(probe)} daddr ${destination}`
  if (protocol === 'icmp') return `${between} ${pingOf(probe, 'echo-request')}`
  const first = protocol === 'tcp' ? ' tcp flags syn / fin,syn,rst,ack' : ''
  return `${between} ${protocol} sport ${sourcePort} ${protocol} dport ${port}${first}`
}

/** What is for the source of the probe, whatever address it comes from as yet. */
function answersOf(probe: Probe): readonly string[] {
  const { protocol, source, sourcePort } = probe
  const to = `${ip(probe)} daddr ${source}`
  return [
    protocol === 'icmp' ? `${to} ${pingOf(probe, 'echo-reply')}` : `${to} ${protocol} dport ${sourcePort}`,
  ]
}

function pingOf({ family, sourcePort }: Probe, type: string): string {
  const name = family === 4 ? 'icmp' : 'icmpv6'
  return `${name} type ${type} ${name} id ${sourcePort}`
}

const errorTypes = {
  4: 'icmp type { destination-unreachable, time-exceeded, parameter-problem }',
  6: 'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }',
} as const

/** An error quotes the packet it is about behind eight bytes of ICMP, and in it what packet.ts has put in its IP header. */
function errorsOf({ family, source, sourcePort }: Probe): string {
  const quoted = family === 4 ? 8 + 4 : 8 + 2
  const ip = family === 4 ? 'ip' : 'ip6'
  return `${ip} daddr ${source} ${errorTypes[family]} @th,${quoted * 8},16 ${sourcePort}`
}

/** Answers as the source would see them, with all addresses translated back: these and no others are kept here. */
function homeOf(probe: Probe): readonly string[] {
  const { protocol, source, sourcePort, destination, port } = probe
  const between = `${ip(probe)} saddr ${destination} ${ip(probe)} daddr ${source}`
  const answer =
    protocol === 'icmp'
      ? pingOf(probe, 'echo-reply')
      : `${protocol} dport ${sourcePort} ${protocol} sport ${port}`
  return [`${between} ${answer}`, errorsOf(probe)]
}

/** Where a probe is lost on this machine, and by whom: each rule is there for a moment, and without it the probe is answered. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { describeEnding, type Trace } from '../../src/model/trace.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { type Traces, tracing, wantsProbes } from '../lab/tracing.ts'
import { canRunUfw, startUfw } from '../lab/ufw.ts'

let lab: Lab
let drawbridge: Drawbridge
let traces: Traces
const slow = { timeout: 60_000 }
const [stranger, stranger6] = ['198.51.100.7', '2001:db8:77::7']

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  traces = tracing(drawbridge)
  await lab.server.answers('tcp', 80)
  await drawbridge.opens('tcp/8080', [lab.server.at(80), lab.server.at6(80)], { name: 'web' })
})
afterAll(() => lab?.close())
beforeEach(wantsProbes)

const table = (hook: string, priority: number, rule: string) =>
  `nft -f - <<'END'\ntable inet mine { chain mine { type filter hook ${hook} priority ${priority}; ${rule}\n}\n}\nEND`
const untable = 'nft delete table inet mine'

interface Loss {
  readonly what: string
  readonly made: string
  readonly unmade: string
  readonly from?: string
  readonly ending: Trace['ending']['kind']
  readonly owner?: string
  readonly says: RegExp
}

const losses: readonly Loss[] = [
  {
    what: 'a rule by hand at forward',
    made: table('forward', 10, 'ip daddr 10.0.0.5 tcp dport 80 drop comment "no web"'),
    unmade: untable,
    ending: 'dropped',
    owner: 'by hand',
    says: /^lost: a rule made by hand drops it in table inet mine, chain mine at forward: ip daddr 10\.0\.0\.5 tcp dport 80 drop comment "no web"$/,
  },
  {
    what: 'a rule that rejects, IPv6',
    made: table('forward', 10, 'tcp dport 80 reject with tcp reset'),
    unmade: untable,
    from: stranger6,
    ending: 'rejected',
    owner: 'by hand',
    says: /^lost: a rule made by hand drops it in table inet mine, .*: tcp dport 80 reject with tcp reset$/,
  },
  {
    what: 'a rule before connection tracking',
    made: table('prerouting', -300, 'ip saddr 198.51.100.0/24 drop'),
    unmade: untable,
    ending: 'dropped',
    owner: 'by hand',
    says: /chain mine at prerouting: ip saddr 198\.51\.100\.0\/24 drop$/,
  },
  {
    what: 'a rule that names the outside interface',
    made: table('forward', 0, 'iifname "out0" oifname "in0" drop'),
    unmade: untable,
    ending: 'dropped',
    owner: 'by hand',
    says: /: iifname "out0" oifname "in0" drop$/,
  },
  {
    what: 'a rule at the ingress of the interface',
    made: `nft -f - <<'END'\ntable netdev mine { chain mine { type filter hook ingress device "out0" priority 0; ip saddr 198.51.100.7 drop\n}\n}\nEND`,
    unmade: 'nft delete table netdev mine',
    ending: 'dropped',
    owner: 'by hand',
    says: /^lost: a rule made by hand drops it in table netdev mine, chain mine at ingress: ip saddr 198\.51\.100\.7 drop$/,
  },
  {
    what: 'the policy of FORWARD, by iptables',
    made: 'iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -P FORWARD DROP; sleep 0.5; iptables -F DOCKER-USER',
    unmade: 'iptables -P FORWARD ACCEPT; iptables -F FORWARD; iptables -X DOCKER-USER',
    ending: 'dropped',
    owner: 'Docker',
    says: /^lost: Docker drops it in table ip filter, chain FORWARD at forward: policy$/,
  },
  {
    what: 'a rule of iptables, in its own words',
    made: 'iptables -A FORWARD -s 198.51.100.0/24 -p tcp -m multiport --dports 80,443 -j REJECT',
    unmade: 'iptables -F FORWARD',
    ending: 'rejected',
    owner: 'by hand',
    says: /table ip filter, chain FORWARD at forward: -A FORWARD -s 198\.51\.100\.0\/24 -p tcp -m multiport --dports 80,443 -j REJECT --reject-with icmp-port-unreachable$/,
  },
  {
    what: 'the answer, by a rule by hand',
    made: table('forward', 0, 'tcp sport 80 drop'),
    unmade: untable,
    ending: 'answer-dropped',
    owner: 'by hand',
    says: /^the answer is lost: a rule made by hand drops it .*: tcp sport 80 drop$/,
  },
  {
    what: 'forwarding that is off',
    made: 'sysctl -qw net.ipv4.conf.out0.forwarding=0',
    unmade: 'sysctl -qw net.ipv4.conf.out0.forwarding=1',
    ending: 'unrouted',
    says: /this machine does not forward what comes by out0/,
  },
  {
    what: 'a route that makes an end of it',
    made: 'ip route add blackhole 10.0.0.5/32',
    unmade: 'ip route del blackhole 10.0.0.5/32',
    ending: 'unrouted',
    says: /blackhole/,
  },
  {
    what: 'a way back that there is not',
    made: 'ip route add unreachable 198.51.100.0/24',
    unmade: 'ip route del unreachable 198.51.100.0/24',
    ending: 'answer-unrouted',
    says: /^the answer is lost in routing: there is no route to 198\.51\.100\.7$/,
  },
]

test.for(losses)('$what', slow, async ({ made, unmade, from = stranger, ending, owner, says }) => {
  expect((await traces('web', from)).ending.kind).toBe('answered')
  await lab.gateway.run('sh', ['-ec', made])
  try {
    const traced = await traces('web', from)
    expect(describeEnding(traced)).toMatch(says)
    expect(traced.ending.kind).toBe(ending)
    const { judgement } = traced.ending as { judgement?: { owner: string } }
    expect(judgement?.owner).toBe(owner)
  } finally {
    await lab.gateway.run('sh', ['-ec', unmade])
  }
  await expect.poll(async () => (await traces('web', from)).ending.kind, { timeout: 20_000 }).toBe('answered')
})

describe('ours', () => {
  test('sources, a limit, a ban of another program: each refuses, and says why', slow, async () => {
    await drawbridge.opens('tcp/8090', lab.server.at(80), { name: 'few', from: '198.51.100.0/28' })
    expect((await traces('few', '198.51.100.7')).ending.kind).toBe('answered')
    expect(describeEnding(await traces('few', '192.0.2.7'))).toMatch(
      /^lost: Drawbridge drops it in table inet drawbridge, chain sources \(from prerouting\) at prerouting: .* \(its source is not among those of the forward\)$/,
    )
    await drawbridge.opens('tcp/8091', lab.server.at(80), { name: 'slow', newPerSource: '1/h' })
    expect((await traces('slow', stranger)).ending.kind).toBe('answered')
    expect(describeEnding(await traces('slow', stranger))).toMatch(
      /chain guard .*\(it is beyond a limit of the forward\)$/,
    )

    await lab.gateway.nft(
      'table inet f2b-table { set addr-set-sshd { type ipv4_addr; elements = { 192.0.2.66 } }\nchain f2b-chain { type filter hook input priority -1; tcp dport 22 ip saddr @addr-set-sshd drop\n}\n}',
    )
    await expect
      .poll(async () => describeEnding(await traces('web', '192.0.2.66')), { timeout: 20_000 })
      .toMatch(/^lost: Drawbridge drops it .*\(another program has banned its source\)$/)
    expect((await traces('web', '192.0.2.67')).ending.kind).toBe('answered')
    await lab.gateway.run('nft', ['delete', 'table', 'inet', 'f2b-table'])
  })

  test('a forward of one interface, for who comes by another', async () => {
    await drawbridge.opens('tcp/8092%in0', lab.server.at(80), { name: 'inner' })
    expect(await traces('inner', lab.other.ip)).toMatchObject({ by: 'in0', ending: { kind: 'answered' } })
    await lab.gateway.run('sysctl', ['-qw', 'net.ipv4.conf.in0.rp_filter=1'])
    expect(describeEnding(await traces('inner', stranger))).toBe(
      'lost in routing: rp_filter refuses it, as the way back to 198.51.100.7 does not lead by in0',
    )
    await lab.gateway.run('sysctl', ['-qw', 'net.ipv4.conf.in0.rp_filter=0'])
    expect((await traces('inner', stranger)).ending.kind).toBe('answered')
  })
})

describe.runIf(canRunUfw)('ufw (wants root of the machine)', () => {
  test('names its rule', slow, async (t) => {
    const own = await startLab(t)
    const ufw = await startUfw(own)
    await own.server.answers('tcp', 80)
    await ufw.runs('enable')
    const beside = await startDrawbridge(own, ufw.under)
    const asks = tracing(beside)
    await beside.opens('tcp/8080', own.server.at(80), { name: 'web' })
    expect((await asks('web', stranger)).ending.kind).toBe('answered')
    await ufw.runs('route', 'deny', 'from', '198.51.100.0/24')
    const traced = await asks('web', stranger)
    expect(describeEnding(traced)).toMatch(
      /^lost: ufw drops it in table ip filter, chain ufw-user-forward \(from FORWARD\) at forward: -A ufw-user-forward -s 198\.51\.100\.0\/24 -j DROP$/,
    )
    expect((await asks('web', '192.0.2.7')).ending.kind).toBe('answered')
  })
})

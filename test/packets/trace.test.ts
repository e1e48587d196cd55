/** The way of a probe through the gateway, and what came of it: found out by a real packet each time. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TraceRequest } from '../../src/api/shapes.ts'
import { describeEnding, describeHop, type Trace } from '../../src/model/trace.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { type Traces, tracing, wantsProbes } from '../lab/tracing.ts'

let lab: Lab
let drawbridge: Drawbridge
const [stranger, stranger6] = ['198.51.100.7', '2001:db8:77::7']

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  ask = tracing(drawbridge)
  for (const protocol of ['tcp', 'udp'] as const) await lab.server.answers(protocol, 80)
  await drawbridge.opens('tcp+udp/8080', [lab.server.at(80), lab.server.at6(80)], { name: 'web' })
})
afterAll(() => lab?.close())
beforeEach(wantsProbes)

let ask: Traces
const traces = (name: string, from = stranger, more: Partial<TraceRequest> = {}) => ask(name, from, more)

const ending = async (...of: Parameters<typeof traces>) => describeEnding(await traces(...of))
const way = ({ hops }: Trace) => hops.map(describeHop)

describe('an answer', () => {
  test('tcp: a whole handshake, told hop by hop, and the target is left with nothing', async () => {
    const { client, server, gateway } = lab
    const outside = await client.watches('tcp sport 8080')
    expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')
    const heard = await outside.count()
    expect(heard).toBeGreaterThan(0)

    const said = await drawbridge.cli(['trace', 'web', '--from', stranger])
    expect(said).toMatchObject({ code: 0, stderr: '' })
    expect(said.stdout.split('\n')).toEqual([
      'web: a tcp packet from 198.51.100.7 to 203.0.113.1 port 8080, as if by out0',
      '  arrives by out0',
      expect.stringMatching(
        /^ {2}Drawbridge accepts it in table inet drawbridge, chain forwarded \(from prerouting\) at prerouting: .*dnat ip to .*@targets4$/,
      ),
      '  destination 203.0.113.1:8080 becomes 10.0.0.5:80',
      '  leaves by in0',
      '  the answer arrives by in0',
      '  Drawbridge accepts it in table inet drawbridge, chain forward at forward: ct state established,related accept',
      '  source 10.0.0.5:80 becomes 203.0.113.1:8080',
      '  the answer would leave by out0; it is kept here',
      expect.stringMatching(/^10\.0\.0\.5:80 accepts the connection after \d+\.\d ms$/),
      '',
    ])
    // Whoever the address belongs to has not asked, and hears nothing.
    expect(await outside.count()).toBe(heard)
    expect(await server.run('ss', ['-Htan', 'state', 'connected', 'sport = :80'])).not.toContain(stranger)
    expect(await gateway.run('conntrack', ['-L', '-s', stranger])).toBe('')
  })

  test('both families, udp, and as a value', async () => {
    expect(await traces('web', stranger6)).toMatchObject({
      family: 6,
      target: '[fd00::5]:80',
      by: 'out0',
      ending: { kind: 'answered', how: 'accepts' },
    })
    for (const from of [stranger, stranger6])
      expect(await traces('web', from, { protocol: 'udp' })).toMatchObject({
        protocol: 'udp',
        ending: { kind: 'answered', how: 'data' },
      })
    const json = await drawbridge.cli(['trace', 'tcp+udp/8080', '--from', stranger, '-o', 'json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ forward: 'web', ending: { kind: 'answered' } })
  })

  test('ping', async () => {
    const { gateway, server } = lab
    await drawbridge.opens(`icmp@${gateway.second}`, server.ip, { name: 'ping' })
    await drawbridge.opens(`icmp@${gateway.second6}`, server.ip6, { name: 'ping6' })
    for (const [name, from] of [
      ['ping', stranger],
      ['ping6', stranger6],
    ] as const)
      expect(await traces(name, from)).toMatchObject({
        protocol: 'icmp',
        ending: { kind: 'answered', how: 'echo' },
      })
    expect(await ending('ping')).toMatch(/^10\.0\.0\.5 answers the ping after /)
  })

  test('a pool: each probe goes where a connection would', async () => {
    await lab.other.answers('tcp', 80)
    await drawbridge.opens('tcp/8082', [lab.server.at(80), lab.other.at(80)], { name: 'pool' })
    const targets = new Set<string>()
    await expect
      .poll(async () => targets.add((await traces('pool')).target).size, { timeout: 20_000, interval: 10 })
      .toBe(2)
    expect([...targets].sort()).toEqual(['10.0.0.5:80', '10.0.0.6:80'])
  })

  test('a service of this machine itself, and one port of a range', async () => {
    await lab.gateway.answers('tcp', 5432)
    await drawbridge.opens('tcp/5432', 'self', { name: 'own' })
    const own = await traces('own')
    expect(own).toMatchObject({ target: '203.0.113.1:5432', ending: { kind: 'answered', how: 'accepts' } })
    expect(way(own)).toContain('is delivered to this machine itself')
    await lab.server.answers('tcp', '9000-9010')
    await drawbridge.opens('tcp/9100-9110', lab.server.at(9000), { name: 'range' })
    expect((await traces('range', stranger, { port: 9107 })).target).toBe('10.0.0.5:9007')
  })

  test('hairpin: as if by the inside interface, with the source rewritten', async () => {
    const traced = await traces('web', lab.other.ip)
    expect(traced).toMatchObject({ by: 'in0', ending: { kind: 'answered' } })
    expect(way(traced)).toContainEqual(
      expect.stringMatching(/^source 10\.0\.0\.6:\d+ becomes 10\.0\.0\.1:\d+$/),
    )
    expect((await traces('web', lab.server.ip)).ending.kind).toBe('answered')
  })
})

describe('the target', () => {
  test('refuses, in both families and over udp', async () => {
    await drawbridge.opens('tcp+udp/8081', [lab.server.at(81), lab.server.at6(81)], { name: 'shut' })
    const said = await drawbridge.cli(['trace', 'shut', '--from', stranger])
    expect(said.code).toBe(3)
    expect(said.stdout).toMatch(/^10\.0\.0\.5:81 refuses connections, as nothing listens there \(after /m)
    expect(await ending('shut', stranger6)).toMatch(/^\[fd00::5\]:81 refuses connections/)
    expect(await ending('shut', stranger, { protocol: 'udp' })).toMatch(
      /^10\.0\.0\.5 says after .*: nothing listens on the port$/,
    )
    expect(await ending('shut', stranger6, { protocol: 'udp' })).toMatch(
      /^fd00::5 says after .*: nothing listens on the port$/,
    )
  })

  test('is not there; its router is not; there is no way to it', async () => {
    const { gateway } = lab
    await drawbridge.opens('tcp/8083', ['10.0.0.99:80', '[fd00::99]:80'], { name: 'dead' })
    expect(await ending('dead')).toMatch(/no such host on in0, nobody answers ARP/)
    expect(await ending('dead', stranger6)).toMatch(/no such host on in0, nobody answers neighbour discovery/)
    await gateway.run('ip', ['route', 'add', '192.0.2.0/24', 'via', '10.0.0.77'])
    await drawbridge.opens('tcp/8084', '192.0.2.8:80', { name: 'routed' })
    expect(await ending('routed')).toMatch(/its router 10\.0\.0\.77 on in0 does not answer ARP/)
    await gateway.run('ip', ['route', 'add', 'unreachable', '192.168.7.0/24'])
    await drawbridge.opens('tcp/8085', '192.168.7.7:80', { name: 'nowhere' })
    expect(await ending('nowhere')).toMatch(/there is no route to 192\.168\.7\.7/)
  })

  test('drops silently, or has no way back through here', async () => {
    const { server } = lab
    await server.nft('table inet f { chain in { type filter hook input priority 0; tcp dport 80 drop\n}\n}')
    expect(await ending('web')).toMatch(
      /^nobody answered within 1 s: the host of 10\.0\.0\.5:80 is there; its own firewall drops it, or its way back does not lead through this machine$/,
    )
    await server.nft('delete table inet f')
    await server.run('ip', ['route', 'replace', 'default', 'via', '10.0.0.6'])
    expect(await ending('web')).toMatch(/its way back does not lead through this machine$/)
    await server.run('ip', ['route', 'replace', 'default', 'via', '10.0.0.1'])
    expect((await traces('web')).ending.kind).toBe('answered')
  })

  test('is behind a smaller MTU: as large a packet as fits passes, a larger one is told with what fits', async () => {
    await lab.gateway.run('ip', ['link', 'set', 'in0', 'mtu', '1400'])
    expect((await traces('web', stranger, { size: 1400 })).ending.kind).toBe('answered')
    expect(await ending('web', stranger, { size: 1401 })).toMatch(
      /^this machine says after .*: the packet is too big for the way, which takes 1400 bytes$/,
    )
    expect(await ending('web', stranger6, { size: 1401 })).toMatch(/which takes 1400 bytes$/)
    await lab.gateway.run('ip', ['link', 'set', 'in0', 'mtu', '1500'])
    expect((await traces('web', stranger, { size: 1500, protocol: 'udp' })).ending.kind).toBe('answered')
  })
})

test('a gateway whose inside is a bridge that filters: br_netfilter changes nothing of it', async (t) => {
  const own = await startLab(t)
  const { gateway, server } = own
  await server.answers('tcp', 80)
  await gateway.run('sh', [
    '-ec',
    `ip link add br0 type bridge && ip link set in0 master br0 && ip link set br0 up
     ip address flush dev in0 && ip address add 10.0.0.1/24 dev br0
     [ ! -e /proc/sys/net/bridge ] || sysctl -qw net.bridge.bridge-nf-call-iptables=1`,
  ])
  const beside = await startDrawbridge(own)
  await beside.opens('tcp/8080', server.at(80), { name: 'web' })
  const traced = await tracing(beside)('web', stranger)
  expect(way(traced)).toEqual(expect.arrayContaining(['leaves by br0', 'the answer arrives by br0']))
  expect(traced.ending.kind).toBe('answered')
  await gateway.run('iptables', ['-I', 'FORWARD', '-o', 'br0', '-p', 'tcp', '--dport', '80', '-j', 'DROP'])
  expect(describeEnding(await tracing(beside)('web', stranger))).toMatch(
    /: -A FORWARD -o br0 -p tcp -m tcp --dport 80 -j DROP$/,
  )
})

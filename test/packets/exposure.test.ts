/** What the outside can reach, as `exposure` says it, held against what nmap finds from outside. */
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { ExposurePage } from '../../src/api/shapes.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { about, agree, everyPort, pageSays, scan, somePorts } from '../lab/scanning.ts'
import { canRunUfw, startUfw } from '../lab/ufw.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  const { gateway, server } = lab
  await gateway.answers('tcp', 22)
  await gateway.answers('tcp', '80-82')
  await gateway.answers('udp', 53)
  await gateway.answers('udp', '1000-1004')
  await gateway.answers('tcp', 9001, { address: '127.0.0.1' })
  await gateway.answers('udp', 9001, { address: '::1' })
  await gateway.answers('tcp', 9002, { address: gateway.second })
  await gateway.answers('udp', 9003, { address: gateway.outside6 })
  await gateway.answers('tcp', 9004, { address: gateway.inside })
  for (const [port, link] of [
    [9005, 'in0'],
    [9006, 'out0'],
  ]) {
    gateway.spawn('socat', [`TCP6-LISTEN:${port},ipv6only=0,fork,so-bindtodevice=${link}`, 'EXEC:cat'])
    await vi.waitUntil(() => gateway.listens('tcp', Number(port)))
  }
  gateway.spawn('socat', ['TCP6-LISTEN:9007,ipv6only=1,fork', 'EXEC:cat'])
  await vi.waitUntil(() => gateway.listens('tcp', 9007))
  for (const protocol of ['tcp', 'udp'] as const) await server.answers(protocol, 80)
})
afterAll(() => lab?.close())

const undo: string[] = []
afterEach(async () => {
  await lab.gateway.nft(undo.splice(0).join('\n'))
  const { forwards } = await drawbridge.api.forwards()
  if (forwards.length > 0) await drawbridge.api.close({ names: forwards.map(({ name }) => name) })
})

const minutes = 60_000

test(
  'a machine without a firewall: all that listens, but not on loopback or an inside interface',
  async () => {
    const { gateway, client } = lab
    const page = await drawbridge.api.exposure()
    const seen = await agree(lab, page, { tcp4: everyPort, tcp6: everyPort, udp4: everyPort })
    expect(seen.tcp4).toEqual([22, 80, 81, 82, 9006])
    expect(seen.tcp6).toEqual([22, 80, 81, 82, 9006, 9007])
    expect(seen.second).toContain(9002)
    expect(seen.udp6).toEqual([53, 1000, 1001, 1002, 1003, 1004, 9003])
    expect(about(page, 53)).toMatchObject([
      { anywhere: true, from: 'anywhere', rule: 'no rule blocks it', state: 'open', declared: false },
    ])
    expect(about(page, 9006)[0]?.behind).toMatch(/user root\)$/)
    expect(about(page, 9001).concat(about(page, 9005))).toEqual([])
    expect(about(page, 9004)).toMatchObject([{ addresses: [gateway.inside], state: 'open' }])
    await client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', gateway.outside])
    expect((await client.asks(gateway.inside, 9004)).identity).toBe('gateway')
    await client.run('ip', ['route', 'del', '10.0.0.0/24'])
  },
  4 * minutes,
)

test(
  'forwards: to anywhere, to others than us, switched off, over, and in front of a service',
  async () => {
    const { server } = lab
    const both = [server.at(80), server.at6(80)]
    await drawbridge.opens('tcp/8080', both, { name: 'web' })
    await drawbridge.opens('udp/8081', both, { name: 'games' })
    await drawbridge.opens('tcp/8082', server.at(80), { name: 'others', from: '203.0.113.3' })
    await drawbridge.opens('tcp/8083', server.at(80), { name: 'ours', from: '203.0.113.2' })
    await drawbridge.opens('tcp/8084', server.at(80), { name: 'off', enabled: false })
    await drawbridge.opens('tcp/82', server.at(81), { name: 'hides', takeOver: true, privileged: true })
    const expires = new Date(Date.now() + 2000).toISOString()
    await drawbridge.opens('tcp/8085', server.at(80), { name: 'short', expires })
    await expect
      .poll(async () => (await drawbridge.api.forwards()).forwards.length, { timeout: 20_000 })
      .toBe(6)
    const page = await drawbridge.api.exposure()
    await agree(lab, page, {})
    const named = (name: string) => page.exposures.find((one) => one.name === name)
    expect(named('web')).toMatchObject({ state: 'open', answered: true, declared: true, from: 'anywhere' })
    expect(named('others')).toMatchObject({ state: 'open', from: '203.0.113.3', anywhere: false })
    expect(named('off')).toMatchObject({ state: 'closed', rule: 'it is switched off' })
    // Nothing listens at its target, and the service behind it is not reached any more.
    expect(named('hides')).toMatchObject({ state: 'open', answered: false })
    expect(named('web')?.since).toMatch(/^20.*Z$/)
    await drawbridge.api.lockdown({ lift: false })
    const locked = await drawbridge.api.exposure()
    expect(locked.exposures.find(({ name }) => name === 'web')).toMatchObject({ state: 'closed' })
    await drawbridge.api.lockdown({ lift: true })
  },
  2 * minutes,
)

test(
  'an input chain by hand: who may connect, by which rule, and which rule lets in what nobody serves',
  async () => {
    const { gateway } = lab
    await gateway.nft(readFileSync(new URL('../lab/input.nft', import.meta.url), 'utf8'))
    undo.push('delete table inet hand')
    const page = await drawbridge.api.exposure()
    // What cannot be read counts as open and says so; nmap sees that it is closed here.
    const unread = about(page, 1002)
    expect(unread.map(({ state }) => state)).toEqual(['unread'])
    expect(unread[0]?.rule).toMatch(/^cannot be read: table inet hand, chain in, rule handle \d+$/)
    const sure = { ...page, exposures: page.exposures.filter(({ state }) => state !== 'unread') }
    const seen = await agree(lab, sure, { tcp4: everyPort })
    expect(seen.tcp4).toEqual([22, 80, 82])
    expect(seen.udp6).toEqual([53, 1000, 1001])
    const [open, closed] = about(page, 22).toSorted((a, b) => (a.state < b.state ? 1 : -1))
    expect(open).toMatchObject({ families: [4], from: '198.51.100.0/24, 203.0.113.2', anywhere: false })
    expect(closed).toMatchObject({ families: [6], rule: 'blocked by table inet hand, chain in, policy' })
    expect(about(page, 81)[0]?.rule).toMatch(/^blocked by table inet hand, chain early, rule handle \d+$/)
    expect(about(page, 1000)[0]?.rule).toMatch(/^admitted within limits by table inet hand, chain in/)
    expect(about(page, 8000, 'permission')).toMatchObject([{ behind: 'nobody listens', answered: false }])
  },
  3 * minutes,
)

test.runIf(canRunUfw)(
  'a real ufw (wants root of the machine): what it admits by address, by application of its limit, and nothing else',
  async () => {
    const { server } = lab
    const ufw = await startUfw(lab)
    await ufw.runs('allow', '80/tcp')
    await ufw.runs('limit', '22/tcp')
    await ufw.runs('allow', 'from', '203.0.113.0/24', 'to', 'any', 'port', '53', 'proto', 'udp')
    await ufw.runs('allow', 'from', '198.51.100.0/24', 'to', 'any', 'port', '81', 'proto', 'tcp')
    await ufw.runs('deny', '82/tcp')
    await ufw.runs('enable')
    await drawbridge.opens('tcp/8080', server.at(80), { name: 'web' })
    try {
      const page = await drawbridge.api.exposure()
      // More would go beyond the limit.
      const seen = await agree(lab, page, { tcp4: everyPort, second: 'none' })
      expect(seen.tcp4).toEqual([22, 80])
      // This agent does not see that ufw, and cannot ask it to let forwards through.
      expect(page.exposures.find(({ name }) => name === 'web')).toMatchObject({
        state: 'closed',
        rule: 'blocked by table ip filter, chain FORWARD, policy',
      })
      expect(seen.udp4).toEqual([53])
      expect(about(page, 80)[0]?.rule).toMatch(
        /^admitted by ufw \(table ip filter, chain ufw-user-input, rule handle \d+\)$/,
      )
      expect(
        about(page, 81)
          .map(({ from }) => from)
          .sort(),
      ).toEqual(['198.51.100.0/24', 'nobody'])
      expect(about(page, 82)[0]?.rule).toMatch(/^blocked by ufw \(table ip6? filter, chain ufw6?-user-input/)
    } finally {
      await ufw.runs('disable')
    }
    undo.push('delete table ip filter', 'delete table ip6 filter')
  },
  4 * minutes,
)

test(
  'destination NAT by hand: to a host, to this machine, and one that the forward hook blocks',
  async () => {
    const { gateway, server } = lab
    await drawbridge.opens('tcp/8099', server.at(80), { name: 'any' })
    await gateway.nft(`table ip nat1 {
      chain pre { type nat hook prerouting priority dstnat
        tcp dport 8100 dnat to ${server.at(80)}
        tcp dport 8101 redirect to :80
        tcp dport 8102-8104 dnat to ${server.ip}:80
        ip saddr != 203.0.113.2 tcp dport 8105 redirect to :80
        tcp dport 8106 redirect to :9099
        ip daddr 127.0.0.1 tcp dport 8107 redirect to :80
      }
      chain onward { type filter hook forward priority filter
        ct state established accept
        meta l4proto tcp ct original proto-dst 8103 drop
        oifname "in0" ip daddr ${server.ip} tcp dport 80 ct status dnat accept
        drop
      }
    }`)
    undo.push('delete table ip nat1')
    const page = await drawbridge.api.exposure()
    const one = about(page, 8102, 'translation')
    expect(one).toMatchObject([
      { behind: expect.stringMatching(/^10\.0\.0\.5:80, by a rule \(table ip nat1/) },
    ])
    // A port of the original direction is not known to be the one: it counts as open.
    const sure = { ...page, exposures: page.exposures.filter((exposure) => exposure !== one[0]) }
    const seen = await scan(lab, 'tcp', gateway.outside, somePorts, [])
    expect(seen).toEqual([22, 80, 81, 82, 8099, 8100, 8101, 8102, 8104, 9006])
    const said = pageSays(sure, 'tcp', gateway.outside, lab.client)
    expect(said).toEqual(seen.filter((port) => port !== 8102 && port !== 8104))
    expect(about(page, 8105, 'translation')).toMatchObject([{ from: 'anywhere but 203.0.113.2' }])
    expect(about(page, 8106, 'translation')).toMatchObject([{ answered: false }])
    expect(about(page, 8107, 'translation')).toEqual([])
  },
  2 * minutes,
)

test(
  'what dockerd has made of published ports',
  async () => {
    const { gateway, server } = lab
    await gateway.run('ip', [
      'link',
      'add',
      'docker0',
      'type',
      'veth',
      'peer',
      'eth1',
      'netns',
      server.namespace,
    ])
    await gateway.run('sh', ['-ec', 'ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up'])
    const container =
      'ip address add 172.17.0.2/16 dev eth1; ip address add 172.17.0.3/16 dev eth1; ip link set eth1 up'
    const back = 'ip route add default via 172.17.0.1 table 100; ip rule add from 172.17.0.0/16 lookup 100'
    await server.run('sh', ['-ec', `${container}; ${back}`])
    await server.answers('udp', 53, { address: '172.17.0.3' })
    await drawbridge.opens('tcp/8099', server.at(80), { name: 'any' })
    const rules = readFileSync(new URL('../lab/dockerd.rules', import.meta.url), 'utf8')
    await gateway.run('iptables-nft-restore', [], { input: rules })
    undo.push('delete table ip filter', 'delete table ip nat')
    // It lets our connections through where Docker leaves a place for that.
    const state = async () => (await drawbridge.api.exposure()).exposures[0]?.state
    await expect.poll(state, { timeout: 20_000 }).toBe('open')
    const page = await drawbridge.api.exposure()
    const seen = await agree(lab, page, { tcp4: everyPort })
    expect(seen.tcp4).toContain(8080)
    expect(seen.udp4).toContain(5353)
    expect(about(page, 8080, 'translation')).toMatchObject([
      {
        state: 'open',
        anywhere: true,
        declared: false,
        behind: expect.stringMatching(
          /^172\.17\.0\.2:80, by Docker \(table ip nat, chain DOCKER, rule handle \d+\)$/,
        ),
        rule: expect.stringMatching(
          /^admitted by Docker \(table ip filter, chain DOCKER, rule handle \d+\)$/,
        ),
      },
    ])
    // Published on loopback only.
    expect(page.exposures.filter(({ ports }) => ports.startsWith('9000'))).toEqual([])
  },
  2 * minutes,
)

test('the command: exit 3 while something undeclared is open, 0 when all is declared', async () => {
  const { gateway, server } = lab
  const before = await drawbridge.cli(['exposure'])
  expect(before.code).toBe(3)
  expect(before.stdout).toMatch(/^service {2}tcp\/22,80-82,9006 +open +anywhere +/m)
  expect(before.stdout).toMatch(/^\d+ exposures are open and not declared as a forward$/m)
  await drawbridge.opens('tcp/8080', server.at(80), { name: 'web' })
  await gateway.nft('table inet hand { chain in { type filter hook input priority 0; policy drop\n}\n}')
  undo.push('delete table inet hand')
  const after = await drawbridge.cli(['exposure', '-o', 'json'])
  expect(after.code).toBe(0)
  const page = JSON.parse(after.stdout) as ExposurePage
  expect(page.exposures.filter(({ state }) => state !== 'closed').map(({ name }) => name)).toEqual(['web'])
})

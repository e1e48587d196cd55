/** Another program writes to our table: connections stay, and the table is whole again by itself. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { startFirewalld } from '../lab/servers.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await lab.server.answers('udp', 80)
  await drawbridge.opens('tcp+udp/8000', [lab.server.at(80), lab.server.at6(80)], {
    from: ['203.0.113.0/24', '2001:db8:1::/64'],
  })
})
afterAll(() => lab?.close())

const listing = () => lab.gateway.run('nft', ['-s', 'list', 'table', 'inet', 'drawbridge']).catch(() => '')

/** The text of a listing without what the order of elements and the packets of the test make of it. */
const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => !/hairpin|("\w+") \. \1/.test(line))
    .sort()
    .join('\n')

const intrusions = [
  ['a flush of the whole ruleset', 'flush ruleset'],
  ['our table deleted', 'delete table inet drawbridge'],
  ['one element deleted', 'delete element inet drawbridge openings { ipv4 . tcp . 8000 }'],
  ['one chain emptied', 'flush chain inet drawbridge ports'],
  ['a rule of somebody else in our chain', 'insert rule inet drawbridge forwarded drop'],
  ['a stranger among the allowed', 'add element inet drawbridge allowed4_24 { 0:1 . 198.51.100.0 }'],
  [
    'a target changed',
    'delete element inet drawbridge targets4 { 0:1 . tcp . 8000 }; add element inet drawbridge targets4 { 0:1 . tcp . 8000 : 10.0.0.6 . 80 }',
  ],
  ['the table put to sleep', 'add table inet drawbridge { flags dormant; }'],
  [
    'a chain of somebody else that drops',
    'add chain inet drawbridge evil { type filter hook prerouting priority -300; policy drop; }',
  ],
  ['a pair of two interfaces taken for a hairpin', 'add element inet drawbridge hairpin { 101 . 102 }'],
  ['a chain that drops what no rule decides', 'chain inet drawbridge postrouting { policy drop; }'],
  ['one map emptied', 'flush map inet drawbridge targets4'],
  ['one set emptied', 'flush set inet drawbridge allowed4_24'],
  ['a set of somebody else', 'add set inet drawbridge strange { type ipv4_addr; }'],
  [
    'a map of somebody else that leads into a chain of his',
    'add chain inet drawbridge evil; add map inet drawbridge lead { type inet_service : verdict; }; add element inet drawbridge lead { 8000 : jump evil }; insert rule inet drawbridge ports tcp dport vmap @lead',
  ],
  [
    'the file of the service nftables, reloaded',
    'flush ruleset; table inet filter { chain input { type filter hook input priority filter; }; }',
  ],
] as const

test.for(intrusions)('%s', async ([, text]) => {
  const { client, gateway } = lab
  expect((await client.asks(gateway.outside, 8000)).identity).toBe('server')
  const before = lines(await listing())
  const streams = [
    await client.holds(gateway.outside, 8000),
    await client.holds(gateway.outside, 8000, { protocol: 'udp' }),
    await client.holds(gateway.outside6, 8000),
    await client.holds(gateway.outside6, 8000, { protocol: 'udp' }),
  ]
  await gateway.nft(text.replaceAll('; ', '\n'))
  await expect.poll(async () => lines(await listing()), { timeout: 3000, interval: 50 }).toBe(before)
  expect((await client.asks(gateway.outside, 8000)).identity).toBe('server')
  for (const [index, held] of streams.entries()) {
    const { end, longestStall, inOrder } = await held.end()
    // What a rule drops while it is there, TCP sends again and UDP does not.
    const lossy = index % 2 === 1 && /\bdrop\b/.test(text)
    expect([end, inOrder || lossy]).toEqual(['held', true])
    expect(longestStall).toBeLessThan(1000)
  }
})

test('changes of other tables are none of our business', async () => {
  const { gateway } = lab
  const before = await drawbridge.api.status(0)
  await gateway.nft(
    'add table inet other\nadd set inet other s { type ipv4_addr; }\nadd element inet other s { 192.0.2.1 }',
  )
  await gateway.nft('delete table inet other')
  expect((await drawbridge.api.status(0)).repairs).toEqual(before.repairs)
})

test('the status says how often, and who it was', async () => {
  const { repairs } = await drawbridge.api.status(0)
  expect(repairs?.count).toBe(intrusions.length)
  expect(repairs?.last?.by).toBe('nft')
  expect((await drawbridge.cli(['status'])).stdout).toMatch(
    /\d+ repairs, the last .* after nft \(process \d+\)/,
  )
  const told = drawbridge
    .output()
    .split('\n')
    .filter((line) => line.includes('"repair"'))
  expect(told).toHaveLength(intrusions.length)
  expect(JSON.parse(told.at(-1) ?? '')).toEqual({ drawbridge: { repair: repairs?.last } })
  const { stdout } = await drawbridge.cli(['status', '-o', 'json'])
  expect(JSON.parse(stdout).repairs).toEqual(repairs)
})

test('while nobody repairs, the anchor alone keeps the connections; without it the same flush ends them', async (t) => {
  const own = await startLab(t)
  const { client, gateway, server } = own
  const inside = await startDrawbridge(own)
  for (const protocol of ['tcp', 'udp'] as const) await server.answers(protocol, 80)
  await inside.opens('tcp+udp/8000', [server.at(80), server.at6(80)])
  const hold = async () => [
    await client.holds(gateway.outside, 8000),
    await client.holds(gateway.outside, 8000, { protocol: 'udp' }),
    await client.holds(gateway.outside6, 8000),
    await client.holds(gateway.outside6, 8000, { protocol: 'udp' }),
  ]
  const agent = inside.pid('agent') ?? 0

  const kept = await hold()
  process.kill(agent, 'SIGSTOP')
  await gateway.nft('flush ruleset')
  await expect(client.asks(gateway.outside, 8000)).rejects.toThrow(/refused/)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  await expect(client.asks(gateway.outside, 8000)).rejects.toThrow(/refused/)
  process.kill(agent, 'SIGCONT')
  for (const held of kept) {
    const { end, longestStall, inOrder } = await held.end()
    expect([end, inOrder, longestStall < 1000]).toEqual(['held', true, true])
  }
  await expect
    .poll(() => client.asks(gateway.outside, 8000).catch(() => undefined), { timeout: 3000 })
    .toMatchObject({ identity: 'server' })

  const lost = await hold()
  await inside.kill9()
  await gateway.nft('flush ruleset')
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const reports = await Promise.all(lost.map((held) => held.end()))
  expect(reports.map(({ end, received, sent }) => end === 'held' && received === sent)).toEqual([
    ...[false, false, false, false],
  ])
})

test('what iptables flushes and restores is not ours', async () => {
  const { client, gateway } = lab
  const before = [lines(await listing()), (await drawbridge.api.status(0)).repairs?.count]
  await gateway.run('iptables', ['-A', 'INPUT', '-p', 'tcp', '--dport', '9', '-j', 'DROP'])
  const saved = await gateway.run('iptables-save')
  await gateway.run('iptables', ['-F'])
  await gateway.run('iptables', ['-t', 'nat', '-F'])
  await gateway.run('iptables-restore', [], { input: saved })
  await gateway.run('ip6tables-restore', [], { input: saved.replaceAll('icmp-', 'icmp6-') })
  expect((await client.asks(gateway.outside, 8000)).identity).toBe('server')
  expect([lines(await listing()), (await drawbridge.api.status(0)).repairs?.count]).toEqual(before)
  await gateway.run('iptables', ['-F'])
})

test.runIf(isRoot)(
  'what firewalld loads and reloads (wants root of the machine) is not ours',
  { timeout: 60_000 },
  async () => {
    const { client, gateway } = lab
    const before = [lines(await listing()), (await drawbridge.api.status(0)).repairs?.count]
    const held = await client.holds(gateway.outside, 8000)
    const firewall = await startFirewalld(lab, gateway)
    expect(await gateway.run('nft', ['list', 'tables'])).toMatch(/table inet firewalld/)
    for (let round = 0; round < 3; round += 1) {
      expect(await firewall.runs('--reload')).toMatch(/success/)
      await expect
        .poll(() => client.asks(gateway.outside, 8000).catch(() => undefined), { timeout: 5000 })
        .toMatchObject({ identity: 'server' })
    }
    expect([lines(await listing()), (await drawbridge.api.status(0)).repairs?.count]).toEqual(before)
    expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
  },
)

test('in a container, where process numbers are others, our own changes are not taken for intrusions', async (t) => {
  const own = await startLab(t)
  const inside = await startDrawbridge(own, ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'])
  await inside.opens('tcp/8000', own.server.at(80), { from: ['203.0.113.0/24'] })
  await inside.closes('tcp-8000')
  expect((await inside.api.status(0)).repairs?.count).toBe(0)
  await own.gateway.nft('flush ruleset')
  await expect.poll(async () => (await inside.api.status(0)).repairs?.count, { timeout: 3000 }).toBe(1)
})

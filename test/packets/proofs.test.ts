/** What is said after a change: a packet as if it came from outside has gone through, or what it met. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { wantsProbes } from '../lab/tracing.ts'

let lab: Lab
let drawbridge: Drawbridge
const slow = { timeout: 60_000 }

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  for (const protocol of ['tcp', 'udp'] as const) await lab.server.answers(protocol, '80-89')
})
afterAll(() => lab?.close())
beforeEach(wantsProbes)

test('each family is proven, by somebody who is nobody, and is not counted as a connection', async () => {
  const { client, gateway, server } = lab
  const opened = await drawbridge.opens('tcp/8000', [server.at(80), server.at6(80)], { name: 'web' })
  expect(opened.warnings).toEqual([])
  expect(opened.proven).toEqual([
    expect.stringMatching(
      /^web: proven by a tcp packet from 198\.51\.100\.1 to 203\.0\.113\.1 port 8000, as if by out0: 10\.0\.0\.5:80 accepts the connection after \d+\.\d ms$/,
    ),
    expect.stringMatching(
      /^web: proven by a tcp packet from 2001:db8:ffff::1 to 2001:db8:1::1 port 8000, as if by out0: \[fd00::5\]:80 accepts /,
    ),
  ])
  expect((await drawbridge.api.forward('web')).connections).toBe(0)
  await client.asks(gateway.outside, 8000)
  expect(await drawbridge.api.forward('web')).toMatchObject({ connections: 1, refused: 0, limited: 0 })
  // What counts anew is not taken for what has counted a probe.
  await drawbridge.closes('web')
  await drawbridge.api.open({ forward: { name: 'web', listen: 'tcp/8000', to: server.at(81) } })
  await client.asks(gateway.outside, 8000)
  const view = await drawbridge.api.forward('web')
  expect([view.connections, view.endpoints?.[0]?.connections]).toEqual([1, 1])
})

test('one of those whom it admits is who it comes from; what nobody may use is said to be so', async () => {
  const { server } = lab
  const some = await drawbridge.opens('tcp/8001', server.at(80), { from: ['203.0.113.3', '192.0.2.0/24'] })
  expect(some.proven.join()).toMatch(/proven by a tcp packet from 203\.0\.113\.3 to /)
  const network = await drawbridge.opens('tcp/8002', server.at6(80), { from: '2001:db8:99::/48' })
  expect(network.proven.join()).toMatch(/proven by a tcp packet from 2001:db8:99::1 to /)
  const nobody = await drawbridge.opens('tcp/8003', server.at(80), { from: [], name: 'closed' })
  expect(nobody.proven).toEqual([
    'closed was not probed: no probe can be sent to closed: it is open for nobody',
  ])
})

test('udp that answers is proven; one that is silent is told and no warning', async () => {
  const { server } = lab
  const answers = await drawbridge.opens('udp/8004', server.at(80))
  expect(answers.proven.join()).toMatch(
    /proven by a udp packet .*: 10\.0\.0\.5:80 answers with a datagram after /,
  )
  await server.spawn('sh', ['-c', 'exec socat -u UDP-RECV:99 STDOUT'])
  await expect.poll(() => server.listens('udp', 99), { timeout: 10_000 }).toBe(true)
  const silent = await drawbridge.opens('udp/8005', server.at(99))
  expect(silent.warnings).toEqual([])
  expect(silent.proven.join()).toMatch(
    /^udp-8005: a udp packet from .*: nobody answered within 0\.3 s: .*many services of UDP are silent/,
  )
})

test(
  'what is in the way of strangers is a warning, though the target answers this machine',
  slow,
  async () => {
    const { gateway, server } = lab
    const filter = (rule: string) =>
      `table inet mine { chain mine { type filter hook forward priority 0; ${rule}\n}\n}`
    await gateway.nft(filter('iifname "out0" tcp dport 82 drop'))
    const dropped = await drawbridge.opens('tcp/8006', server.at(82))
    expect(dropped.reached.join()).toMatch(/10\.0\.0\.5 port 82 answers/)
    expect(dropped.warnings).toEqual([
      expect.stringMatching(
        /^tcp-8006: a tcp packet from 198\.51\.100\.1 .*: lost: a rule made by hand drops it in table inet mine, chain mine at forward: iifname "out0" tcp dport 82 drop; the forward is open all the same$/,
      ),
    ])
    expect(dropped.proven).toEqual([])
    await gateway.run('nft', ['delete', 'table', 'inet', 'mine'])
    const refused =
      'table inet f { chain in { type filter hook input priority 0; ip saddr != 10.0.0.0/8 tcp dport 83 drop\n}\n}'
    await server.nft(refused)
    expect((await drawbridge.opens('tcp/8007', server.at(83))).warnings.join()).toMatch(
      /nobody answered within 0\.3 s: the host of 10\.0\.0\.5:83 is there; its own firewall drops it/,
    )
    await server.run('nft', ['delete', 'table', 'inet', 'f'])
  },
)

test('of many a few are probed, and that is said; what cannot answer fails nothing', slow, async () => {
  const { server } = lab
  const forwards = Array.from({ length: 30 }, (_, at) => ({
    name: `m${at}`,
    listen: `tcp/${8100 + at}`,
    to: server.at(84),
  }))
  const applied = await drawbridge.api.apply({ gateway: { version: 1, forwards } })
  expect(applied.changed).toBe(true)
  const proven = applied.proven.filter((one) => /proven by/.test(one))
  expect(proven.length).toBeGreaterThanOrEqual(1)
  expect(proven.length).toBeLessThanOrEqual(5)
  expect(applied.proven.at(-1)).toBe(`${proven.length} of 30 forwards were probed`)
  const dead = await drawbridge.opens('tcp/8008', '10.0.0.99:80', { name: 'dead' })
  expect([dead.changed, dead.proven, dead.warnings.length]).toEqual([true, [], 1])
})

test('a service of this machine is proven too', async () => {
  await lab.gateway.answers('tcp', 5433)
  const own = await drawbridge.opens('tcp/5433', 'self')
  expect(own.proven.join()).toMatch(/proven by .*: 203\.0\.113\.1:5433 accepts the connection/)
})

/** What is said about the targets of a change: the agent asks them, by the way this machine reaches them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Changed } from '../../src/api/shapes.ts'
import { tellAgent } from '../lab/agent.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { canProbe } from '../lab/tracing.ts'

let lab: Lab
let drawbridge: Drawbridge
let port = 8000

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
})
afterAll(() => lab?.close())

const opened = (to: string, listen = `tcp/${port++}`): Promise<Changed> => drawbridge.opens(listen, to)
const allOpen = ' (.*); the forward is open all the same$'

test('one that answers is told with its time and the way to it', async () => {
  const { server } = lab
  expect(await opened(server.at(80))).toMatchObject({
    warnings: [],
    reached: [expect.stringMatching(/^10\.0\.0\.5 port 80 answers \(\d+\.\d ms, by in0\)$/)],
  })
  expect((await opened(server.at6(80))).reached.join()).toMatch(/^fd00::5 port 80 answers \(.* by in0\)$/)
  const said = await drawbridge.cli(['open', 'tcp/8100', server.at(80)])
  expect(said.stdout).toMatch(/^tcp\/8100 on any address -> .*\n10\.0\.0\.5 port 80 answers \(.*\)\n/)
  expect(said.stdout.split('\n').slice(2)).toEqual([
    expect.stringMatching(
      canProbe ? /^tcp-8100: proven by a tcp packet from / : /^tcp-8100 was not probed: /,
    ),
    '',
  ])
})

test('one that refuses, one that is not there, one whose router is not there: a warning each, and all are open', async () => {
  const { server, gateway } = lab
  const refused = await opened(server.at(81))
  expect(refused.changed).toBe(true)
  expect(refused.reached).toEqual([])
  expect(refused.warnings).toEqual([
    expect.stringMatching(
      `^tcp-\\d+: 10.0.0.5 port 81 refuses connections, as nothing listens there${allOpen}`,
    ),
  ])
  expect((await opened('10.0.0.99:80')).warnings.join()).toMatch(
    /10\.0\.0\.99 port 80 cannot be reached: no such host on in0, nobody answers ARP for it/,
  )
  expect((await opened('[fd00::99]:80')).warnings.join()).toMatch(/nobody answers neighbour discovery for it/)
  await gateway.run('ip', ['route', 'add', '192.0.2.0/24', 'via', '10.0.0.77'])
  expect((await opened('192.0.2.8:80')).warnings.join()).toMatch(
    /192\.0\.2\.8 port 80 cannot be reached: its router 10\.0\.0\.77 on in0 does not answer ARP/,
  )
})

test('no route, and a way that leads outside, are told as what they are', async () => {
  const { gateway, client } = lab
  await client.answers('tcp', 90)
  await client.run('ip', ['address', 'add', '198.51.100.7/32', 'dev', 'lo'])
  expect((await opened('198.51.100.7:90')).reached.join()).toMatch(
    /answers \(.* by out0, the default route\)$/,
  )
  await gateway.run('ip', ['route', 'add', 'unreachable', '192.168.7.0/24'])
  expect((await opened('192.168.7.7:90')).warnings.join()).toMatch(
    /192\.168\.7\.7 port 90 .*there is no route to it/,
  )
})

test('a packet filter that drops is silence, one that rejects is somebody who says no', async () => {
  const { server } = lab
  const filter = (verdict: string) =>
    `table inet f { chain in { type filter hook input priority 0; tcp dport 82 ${verdict}\n}\n}`
  await server.nft(filter('drop'))
  expect((await opened(server.at(82))).warnings.join()).toMatch(/port 82 did not answer within 0\.3 s/)
  await server.nft(`flush table inet f\n${filter('reject with icmpx type admin-prohibited')}`)
  expect((await opened(server.at(82))).warnings.join()).toMatch(
    /port 82 cannot be reached: a router on the way/,
  )
})

test('a target of UDP is asked whether the host is there: by ping where that is allowed, else by its neighbour entry', async () => {
  const { gateway, server } = lab
  expect((await opened(server.at(53), `udp/${port}`)).reached).toEqual([
    '10.0.0.5 is there (by in0), as its network knows',
  ])
  // The agent's group; a user namespace knows no others.
  await gateway.run('sysctl', ['-qw', 'net.ipv4.ping_group_range=0 0'])
  expect((await opened(server.at(54), `udp/${port + 1}`)).reached.join()).toMatch(
    /^10\.0\.0\.5 answers ping \(\d+\.\d ms, by in0\)$/,
  )
  expect((await opened(server.at6(54), `udp/${port + 2}`)).reached.join()).toMatch(/^fd00::5 answers ping/)
  expect((await opened('10.0.0.98', `icmp@${gateway.second}`)).warnings.join()).toMatch(
    /10\.0\.0\.98 cannot be reached: no such host on in0/,
  )
})

test('the agent asks nobody but targets of forwards it holds, and its other work goes on meanwhile', async () => {
  const { server } = lab
  await drawbridge.opens('tcp/8200', '10.0.0.97:80', { name: 'dead' })
  const seen = await server.watches('tcp dport 4444')
  const answers = await tellAgent(drawbridge, [
    { verb: 'probe', names: ['dead'] },
    { verb: 'probe', names: ['nobody', server.at(4444)] },
    { verb: 'probe', names: [], address: server.at(4444) },
    { verb: 'facts' },
  ])
  expect(answers.map(({ id }) => id)).toEqual([2, 3, 0, 1])
  expect(answers.find(({ id }) => id === 0)?.answer).toMatchObject([{ answering: 'no-neighbour' }])
  expect(answers.find(({ id }) => id === 1)?.answer).toEqual([])
  expect(answers.find(({ id }) => id === 2)).toMatchObject({ problem: { code: 'unknown-key' } })
  expect(await seen.count()).toBe(0)
  await drawbridge.opens('tcp/8201', server.at(4444))
  expect(await seen.count()).toBeGreaterThan(0)
})

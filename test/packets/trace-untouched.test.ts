/** What a probe leaves behind, whatever happens to the agent meanwhile: nothing. And what it cannot be used for. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { tellAgent } from '../lab/agent.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { type Traces, tracing, wantsProbes } from '../lab/tracing.ts'

let lab: Lab
let drawbridge: Drawbridge
let traces: Traces
const slow = { timeout: 60_000 }
const patient = { timeout: 20_000 }
const stranger = '198.51.100.7'

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  traces = tracing(drawbridge)
  await lab.server.answers('tcp', 80)
  await drawbridge.opens('tcp/8080', lab.server.at(80), { name: 'web' })
  await drawbridge.opens('tcp/8081', '10.0.0.99:80', { name: 'dead' })
  // What real traffic leaves in the table (interfaces of new connections) is there before.
  await lab.client.asks(lab.gateway.outside, 8080)
})
afterAll(() => lab?.close())
beforeEach(wantsProbes)
beforeEach(async () => {
  await expect.poll(present, patient).toBe(false)
})

/** Goes with an agent, and comes with the next one. */
const anchor = /^table inet drawbridge_anchor [\s\S]*?^\}\n/gm

const sh = (script: string) => lab.gateway.run('sh', ['-ec', script])
/** Links, rules, routes, settings and rules of firewalls. */
const everything = async () =>
  (
    await sh(`ip -d link; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all
    tc qdisc; nft -s list ruleset; cd /proc/sys/net; grep -rs . ipv4/conf ipv6/conf ipv4/ip_forward || true`)
  ).replace(anchor, '')
const present = async () => (await sh('ip -o link; nft list tables')).match(/drawbridge(\d|_probe)/) !== null
/** While somebody is asked who is not there. */
async function during(work: () => Promise<void>): Promise<void> {
  const asked = traces('dead', stranger).catch(() => undefined)
  await expect.poll(present, { timeout: 20_000, interval: 10 }).toBe(true)
  await work()
  await asked
}

test(
  'a probe that is answered, one that is refused and one that nobody answers: byte for byte as before',
  slow,
  async () => {
    const before = await everything()
    expect((await traces('web', stranger)).ending.kind).toBe('answered')
    expect((await traces('dead', stranger)).ending.kind).toBe('silent')
    expect(await everything()).toBe(before)
    expect(await sh(`conntrack -L -s ${stranger} 2>/dev/null`)).toBe('')
    await during(async () => {
      expect(await everything()).not.toBe(before)
    })
    expect(await everything()).toBe(before)
  },
)

test('an agent that is killed in the middle of one', slow, async () => {
  const before = await everything()
  await during(() => drawbridge.kill9('agent'))
  await expect.poll(present, patient).toBe(false)
  await expect.poll(async () => (await drawbridge.api.status(0)).ready, patient).toBe(true)
  expect(await everything()).toBe(before)
  expect((await traces('web', stranger)).ending.kind).toBe('answered')
})

test(
  'everything that is killed in the middle of one: device and table go at once, and only the forwards stay',
  slow,
  async () => {
    const before = await everything()
    await during(() => drawbridge.kill9())
    await expect.poll(everything, patient).toBe(before)
    await drawbridge.start()
    expect((await traces('web', stranger)).ending.kind).toBe('answered')
  },
)

test(
  'changes, and what another program does, go on while nobody answers; the device is no part of this network',
  slow,
  async () => {
    await during(async () => {
      await drawbridge.opens('tcp/8083', lab.server.at(80), { name: 'meanwhile' })
      await lab.gateway.run('nft', ['flush', 'ruleset'])
      await expect
        .poll(() => lab.client.asks(lab.gateway.outside, 8083).then(({ identity }) => identity), patient)
        .toBe('server')
    })
    await lab.gateway.run('ip', ['route', 'del', 'default'])
    await during(async () => {
      expect(await sh('nft list set inet drawbridge outside')).not.toContain('drawbridge0')
    })
    await lab.gateway.run('ip', ['route', 'add', 'default', 'via', '203.0.113.2'])
  },
)

test.for([
  ['an address of this machine', 'web', { from: '10.0.0.1' }, 'trace-source'],
  ['loopback', 'web', { from: '127.0.0.1' }, 'trace-source'],
  ['multicast', 'web', { from: '224.0.0.1' }, 'trace-source'],
  ['no address', 'web', { from: 'client.example.org' }, 'bad-address'],
  ['a port that is none of it', 'web', { port: 22 }, 'trace-no-opening'],
  ['another protocol', 'web', { protocol: 'udp' }, 'trace-no-opening'],
  ['the other family', 'web', { from: '2001:db8:77::7' }, 'trace-no-opening'],
  ['a forward that is off', 'off', {}, 'trace-no-opening'],
  ['a forward that there is not', 'nothing', {}, 'no-such-forward'],
  ['a packet larger than any wire takes', 'web', { size: 60_000 }, 'trace-size'],
  ['a packet smaller than its headers', 'web', { size: 39 }, 'trace-size'],
] as const)('refused: %s', async ([, name, more, code]) => {
  await drawbridge.opens('tcp/8082', lab.server.at(80), { name: 'off', enabled: false })
  await expect(traces(name, stranger, more)).rejects.toMatchObject({ code })
})

test('during a lockdown nothing is sent', async () => {
  await drawbridge.api.lockdown({ lift: false })
  await expect(traces('web', stranger)).rejects.toMatchObject({ code: 'trace-no-opening' })
  await drawbridge.api.lockdown({ lift: true, confirm: 0 })
  expect((await traces('web', stranger)).ending.kind).toBe('answered')
})

test('a hostile controller cannot aim it elsewhere, says nothing by it and is no flood', slow, async () => {
  const wanted = { verb: 'trace', name: 'web', from: stranger }
  const seen = await lab.server.watches(`ip saddr ${stranger} tcp flags syn / syn,ack`)
  const codes = async (messages: readonly object[]) =>
    (await tellAgent(drawbridge, messages)).map(({ problem }) => problem?.code ?? 'sent')
  expect(
    await codes([
      { ...wanted, to: '10.0.0.6' },
      { ...wanted, data: 'hello' },
      { ...wanted, by: 'in0' },
      { ...wanted, port: 22 },
      { ...wanted, from: `${stranger}; drop` },
    ]),
  ).toEqual(['unknown-key', 'unknown-key', 'unknown-key', 'trace-no-opening', 'bad-address'])
  expect(await seen.count()).toBe(0)
  const began = performance.now()
  const answers = await codes(Array.from({ length: 60 }, () => wanted))
  const seconds = (performance.now() - began) / 1000
  expect(answers).toContain('sent')
  expect(answers.filter((one) => one !== 'sent' && one !== 'trace-rate')).toEqual([])
  expect(await seen.count()).toBe(answers.filter((one) => one === 'sent').length)
  expect(await seen.count()).toBeLessThanOrEqual(30 + 1 + Math.ceil(seconds * 5))
  console.log(`60 probes asked for, ${await seen.count()} sent, in ${seconds.toFixed(2)} s`)
})

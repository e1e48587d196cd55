/** What happens to connections and to the kernel when forwards change, and when nothing changes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  for (const host of [lab.server, lab.other, lab.gateway]) {
    await host.answers('tcp', 80)
    await host.answers('udp', 80)
  }
})
afterAll(() => lab?.close())

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const file = (...forwards: object[]) => ({ gateway: { version: 1, forwards }, prune: true, take_over: true })

/** The generation of the ruleset: it grows with every transaction of anybody. */
async function rulesetWrites(work: () => Promise<void>): Promise<string> {
  const monitor = lab.gateway.spawn('nft', ['monitor'])
  await pause(200)
  await work()
  await pause(200)
  await monitor.end()
  return monitor.output()
}

test('the same open, close, enable and file twice: already so, and the kernel is not written', async () => {
  const { server } = lab
  const web = { name: 'web', listen: 'tcp/8000', to: server.at(80) }
  const listening = await rulesetWrites(async () => void (await drawbridge.api.apply(file(web))))
  expect(listening).toContain('8000')
  const { generation } = await drawbridge.api.status(0)
  const silence = await rulesetWrites(async () => {
    for (const answer of [
      await drawbridge.api.apply(file(web)),
      await drawbridge.opens('tcp/8000', server.at(80)),
      await drawbridge.opens('tcp/8000', server.at(80), { name: 'web' }),
      await drawbridge.api.enable({ names: ['web'] }),
    ]) {
      expect(answer.changed).toBe(false)
    }
  })
  expect(silence).toBe('')
  expect((await drawbridge.api.status(0)).generation).toBe(generation)
  expect((await drawbridge.cli(['open', 'tcp/8000', server.at(80)])).stdout).toMatch(/^already so: tcp\/8000/)
})

test('switched off: refused; on again: answered', async () => {
  const { client, gateway } = lab
  await drawbridge.api.disable({ names: ['web'] })
  await expect(client.asks(gateway.outside, 8000)).rejects.toThrow(/refused/)
  await drawbridge.api.enable({ names: ['web'] })
  expect((await client.asks(gateway.outside, 8000)).identity).toBe('server')
})

test('a steady UDP sender moves to the new target, stops with the forward, and is taken over by a new one', async () => {
  const { client, gateway, server, other } = lab
  await gateway.answers('udp', 8001)
  const to = (target: string) => file({ name: 'u', listen: 'udp/8001', to: target })
  await drawbridge.api.apply(to(server.at(80)))
  const sender = await client.holds(gateway.outside, 8001, { protocol: 'udp', every: 20 })
  expect(sender.answer.identity).toBe('server')
  await drawbridge.api.apply(to(other.at(80)))
  await pause(300)
  expect((await sender.look()).identities.at(-1)).toBe('other')
  await drawbridge.closes('u')
  await pause(300)
  expect((await sender.look()).identities.at(-1)).toBe('gateway')
  await drawbridge.api.apply(to(server.at(80)))
  await pause(300)
  const { identities } = await sender.end()
  expect(new Set(identities)).toEqual(new Set(['server', 'other', 'gateway']))
  expect((await client.asks(gateway.outside, 8001, { protocol: 'udp' })).identity).toBe('server')
})

test.for([
  ['drain', 'held'],
  ['keep', 'held'],
  ['cut', 'reset'],
] as const)(
  '%s: an established TCP connection is %s when its forward moves and when it goes',
  async ([onChange, end]) => {
    const { client, gateway, server, other } = lab
    const to = (target: string) => file({ name: 't', listen: 'tcp/8002', to: target, on_change: onChange })
    await drawbridge.api.apply(to(server.at(80)))
    const first = await client.holds(gateway.outside, 8002)
    await drawbridge.api.apply(to(other.at(80)))
    await pause(400)
    expect((await first.end()).end).toBe(end)
    const second = await client.holds(gateway.outside, 8002)
    expect(second.answer.identity).toBe('other')
    await drawbridge.closes('t')
    await pause(400)
    expect((await second.end()).end).toBe(end)
    await expect(client.asks(gateway.outside, 8002)).rejects.toThrow(/refused/)
  },
)

test('flows that agree with the change are not touched', async () => {
  const { client, gateway, server, other } = lab
  const with8004 = (target: string) =>
    file(
      { name: 'same', listen: 'tcp+udp/8003', to: server.at(80), on_change: 'cut' },
      { name: 'moves', listen: 'udp/8004', to: target },
    )
  await drawbridge.api.apply(with8004(server.at(80)))
  const tcp = await client.holds(gateway.outside, 8003)
  const udp = await client.holds(gateway.outside, 8003, { protocol: 'udp' })
  await drawbridge.api.apply(with8004(other.at(80)))
  await pause(300)
  const [tcpReport, udpReport] = [await tcp.end(), await udp.end()]
  expect([tcpReport.end, tcpReport.inOrder]).toEqual(['held', true])
  expect(udpReport.received).toBe(udpReport.sent)
  expect((await client.asks(gateway.outside, 8004, { protocol: 'udp' })).identity).toBe('other')
})

test('kill -9 of everything and a new start: a connection carries on, nothing is written, the generation is the same', async () => {
  const { client, gateway, server } = lab
  await drawbridge.api.apply(
    file({ name: 'k', listen: 'tcp/8005', to: server.at(80), from: ['203.0.113.0/24'] }),
  )
  const held = await client.holds(gateway.outside, 8005)
  const { generation } = await drawbridge.api.status(0)
  await drawbridge.kill9()
  expect((await client.asks(gateway.outside, 8005)).identity).toBe('server')
  const listing = await gateway.run('nft', ['-s', 'list', 'table', 'inet', 'drawbridge'])
  const written = await rulesetWrites(() => drawbridge.start())
  expect(
    written.replaceAll(/^.*drawbridge_anchor.*$\n?/gm, '').replaceAll(/^# new generation.*$\n?/gm, ''),
  ).toBe('')
  expect(await gateway.run('nft', ['-s', 'list', 'table', 'inet', 'drawbridge'])).toBe(listing)
  expect(await drawbridge.api.status(0)).toMatchObject({ generation, kernel: generation, ready: true })
  const { end, inOrder, longestStall } = await held.end()
  expect([end, inOrder]).toEqual(['held', true])
  expect(longestStall).toBeLessThan(1000)
})

test('the agent or the controller alone is killed: the other goes on, and the dead one is back by itself', async () => {
  const { client, gateway, server } = lab
  for (const part of ['agent', 'controller'] as const) {
    const before = drawbridge.pid(part)
    await drawbridge.kill9(part)
    expect((await client.asks(gateway.outside, 8005)).identity).toBe('server')
    await expect
      .poll(
        () =>
          drawbridge.api.status(0).then(
            ({ ready }) => ready,
            () => false,
          ),
        { timeout: 8000 },
      )
      .toBe(true)
    expect(drawbridge.pid(part)).not.toBe(before)
    const port = part === 'agent' ? 8006 : 8007
    await drawbridge.opens(`tcp/${port}`, server.at(80))
    expect((await client.asks(gateway.outside, port)).identity).toBe('server')
  }
})

test('a forward closes itself at its time', async () => {
  const { client, gateway, server } = lab
  const expires = new Date(Date.now() + 2500).toISOString()
  await drawbridge.opens('tcp/8008', server.at(80), { expires })
  expect((await client.asks(gateway.outside, 8008)).identity).toBe('server')
  await pause(3200)
  await expect(client.asks(gateway.outside, 8008)).rejects.toThrow(/refused/)
  await expect(drawbridge.api.forward('tcp-8008')).rejects.toThrow(/no forward/)
})

test('lockdown: every forward is shut and its connections end; what is the gateway’s own goes on; lifted, all is back', async () => {
  const { client, gateway, server } = lab
  await drawbridge.api.apply(
    file({ name: 'l', listen: 'tcp/8010', to: server.at(80), from: ['203.0.113.0/24'] }),
  )
  await gateway.answers('tcp', 22)
  const [through, own] = [await client.holds(gateway.outside, 8010), await client.holds(gateway.outside, 22)]
  await drawbridge.api.lockdown({ lift: false })
  await pause(300)
  expect((await through.end()).end).toBe('reset')
  expect(await own.end()).toMatchObject({ end: 'held', inOrder: true })
  await expect(client.asks(gateway.outside, 8010)).rejects.toThrow(/refused/)
  const { plan } = await drawbridge.opens('tcp/8011', server.at(80))
  expect(plan.warnings).toEqual([expect.stringMatching(/lockdown is on/)])
  await drawbridge.restart()
  for (const port of [8010, 8011]) await expect(client.asks(gateway.outside, port)).rejects.toThrow(/refused/)
  expect((await drawbridge.cli(['lockdown', '--lift'])).stdout).toMatch(/open again/)
  for (const port of [8010, 8011]) expect((await client.asks(gateway.outside, port)).identity).toBe('server')
})

test('what a change left undone while the agent was dead is done when it is back: a closed UDP forward is closed', async () => {
  const { client, gateway, server } = lab
  await drawbridge.api.apply(file({ name: 'd', listen: 'udp/8040', to: server.at(80) }))
  const sender = await client.holds(gateway.outside, 8040, { protocol: 'udp', every: 20 })
  await drawbridge.kill9('agent')
  await drawbridge.closes('d')
  await pause(300)
  const { received } = await sender.look()
  await pause(300)
  expect((await sender.end()).received).toBe(received)
})

test('flows of one interface are not touched when a forward elsewhere goes', async () => {
  const { client, other, gateway, server } = lab
  await drawbridge.api.apply(
    file(
      { name: 'out', listen: 'udp/8041%out0', to: server.at(80) },
      { name: 'in', listen: 'udp/8041%in0', to: server.at(80), source_nat: 'masquerade' },
      { name: 'else', listen: 'tcp/8042', to: server.at(80) },
    ),
  )
  const flows = [
    await client.holds(gateway.outside, 8041, { protocol: 'udp', every: 20 }),
    await other.holds(gateway.inside, 8041, { protocol: 'udp', every: 20 }),
  ]
  const before = await gateway.run('conntrack', ['-L', '-p', 'udp', '--orig-port-dst', '8041', '-o', 'id'])
  await drawbridge.closes('else')
  await pause(200)
  const after = await gateway.run('conntrack', ['-L', '-p', 'udp', '--orig-port-dst', '8041', '-o', 'id'])
  const ids = (text: string) => [...text.matchAll(/id=(\d+)/g)].map(([, id]) => id).sort()
  expect(ids(after)).toEqual(ids(before))
  expect(ids(after)).toHaveLength(2)
  for (const flow of flows) await flow.end()
})

test('a connection is counted once, whatever its family', async () => {
  const { client, gateway, server } = lab
  await drawbridge.api.apply(file({ name: 'c', listen: 'tcp/8043', to: [server.at(80), server.at6(80)] }))
  for (const address of [gateway.outside, gateway.outside6, gateway.outside6])
    await client.asks(address, 8043)
  expect((await drawbridge.api.forward('c')).connections).toBe(3)
})

test('another mark alone is a change that the kernel gets, and connections that are open take it over', async () => {
  const { client, gateway, server } = lab
  const forward = { name: 'm', listen: 'tcp/8044', to: server.at(80), on_change: 'cut' }
  const marked = async (value: number) => {
    const mark = ['--mark', String(value)]
    const listed = await gateway.run('conntrack', ['-L', '-p', 'tcp', '--orig-port-dst', '8044', ...mark])
    return listed.split('\n').filter((line) => line.includes('ESTABLISHED')).length
  }
  await drawbridge.api.apply(file(forward))
  const held = await client.holds(gateway.outside, 8044)
  for (const [mark, value] of [
    ['0x11000000/0xff000000', 0x11000000],
    ['0x2db00000/0xfff00000', 0x2db00000],
  ] as const) {
    await drawbridge.api.apply({ gateway: { version: 1, mark, forwards: [forward] } })
    const fresh = await client.holds(gateway.outside, 8044)
    expect(await marked(value)).toBe(2)
    expect((await fresh.end()).end).toBe('held')
    await expect.poll(() => marked(value), { timeout: 3000 }).toBe(1)
  }
  await drawbridge.closes('m')
  await expect.poll(async () => (await held.look()).end, { timeout: 3000 }).not.toBe('held')
})

test('two changes at once: one of them hears that it came too late', async () => {
  const { server } = lab
  const both = await Promise.allSettled([
    drawbridge.opens('tcp/8045', server.at(80), { name: 'twice' }),
    drawbridge.opens('tcp/8046', server.at(80), { name: 'twice' }),
  ])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
})

/** Who may connect, and how often. Every refusal is shown beside the same packet that arrives. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge
const one = '203.0.113.2'
const two = '203.0.113.3'
const short = { timeout: 400 }

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await lab.server.answers('udp', 80)
})
afterAll(() => lab?.close())

test.for([
  ['one address', ['203.0.113.3'], true, false],
  ['a /31 that holds both', ['203.0.113.2/31'], true, true],
  ['a /30 beside a list of another', ['203.0.113.2/32', '198.51.100.0/24'], false, true],
  ['the whole world', ['0.0.0.0/0'], true, true],
  ['a prefix of one bit', ['128.0.0.0/1'], true, true],
  ['the other half of the world', ['0.0.0.0/1'], false, false],
  ['nobody of this family', ['2001:db8:1::/64'], false, false],
] as const)('%s', async ([, from, twoMay, oneMay]) => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp/6000', server.at(80), { from: [...from] })
  for (const [address, may] of [
    [two, twoMay],
    [one, oneMay],
  ] as const) {
    const asked = client.asks(gateway.outside, 6000, { from: address, ...short })
    if (may) expect((await asked).peer).toBe(address)
    else await expect(asked).rejects.toThrow(/timeout/)
  }
  await drawbridge.closes('tcp-6000')
})

test('IPv6 sources of several lengths', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp/6001', server.at6(80), { from: ['2001:db8:1::3', '2001:db8:2::/48'] })
  expect((await client.asks(gateway.outside6, 6001, { from: '2001:db8:1::3' })).identity).toBe('server')
  await expect(client.asks(gateway.outside6, 6001, { from: '2001:db8:1::2', ...short })).rejects.toThrow(
    /timeout/,
  )
})

test('a refused source is counted, an admitted one too, and udp is no different', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp+udp/6002', server.at(80), { from: [two] })
  await client.asks(gateway.outside, 6002, { from: two })
  await client.asks(gateway.outside, 6002, { from: two, protocol: 'udp' })
  await expect(client.asks(gateway.outside, 6002, { from: one, protocol: 'udp', ...short })).rejects.toThrow(
    /timeout/,
  )
  const { connections, refused } = await drawbridge.api.forward('tcp-udp-6002')
  expect([connections, refused]).toEqual([2, 1])
})

test('a list admits, and a change of the list alone is followed by every forward that names it', async () => {
  const { client, gateway, server } = lab
  const withList = (entries: string[]) => ({
    version: 1,
    lists: { office: entries },
    forwards: [
      { name: 'a', listen: 'tcp/6003', to: server.at(80), from: ['office'] },
      { name: 'b', listen: 'tcp/6004', to: server.at(80), from: ['office', '198.51.100.1'] },
    ],
  })
  await drawbridge.api.apply({ gateway: withList([two]) })
  for (const port of [6003, 6004]) {
    expect((await client.asks(gateway.outside, port, { from: two })).identity).toBe('server')
    await expect(client.asks(gateway.outside, port, { from: one, ...short })).rejects.toThrow(/timeout/)
  }
  await drawbridge.api.apply({ gateway: withList([one]) })
  for (const port of [6003, 6004]) {
    expect((await client.asks(gateway.outside, port, { from: one })).identity).toBe('server')
    await expect(client.asks(gateway.outside, port, { from: two, ...short })).rejects.toThrow(/timeout/)
  }
  await drawbridge.api.apply({ gateway: withList([]) })
  await expect(client.asks(gateway.outside, 6003, { from: one, ...short })).rejects.toThrow(/timeout/)
})

test('new connections per source: the burst passes, the next is dropped, another source is not concerned', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp/6005-6006', server.at('=80'), { newPerSource: '3/m' })
  for (const port of [6005, 6006, 6005]) await client.asks(gateway.outside, port, { from: one })
  await expect(client.asks(gateway.outside, 6006, { from: one, ...short })).rejects.toThrow(/timeout/)
  expect((await client.asks(gateway.outside, 6006, { from: two })).identity).toBe('server')
  expect((await drawbridge.api.forward('tcp-6005-6006')).limited).toBeGreaterThanOrEqual(1)
})

test('a limit per second lets the source in again', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens('udp/6007', server.at(80), { newPerSource: '2/s' })
  const ask = () => client.asks(gateway.outside, 6007, { protocol: 'udp', timeout: 200 })
  await ask()
  await ask()
  await expect(ask()).rejects.toThrow(/timeout/)
  await new Promise((resolve) => setTimeout(resolve, 1200))
  expect((await ask()).identity).toBe('server')
})

test.for(['4', '6'] as const)('IPv%s: open connections per source, freed when one ends', async (family) => {
  const { client, gateway, server } = lab
  const [to, at, from] =
    family === '4'
      ? [server.at(80), gateway.outside, two]
      : [server.at6(80), gateway.outside6, '2001:db8:1::3']
  const port = 6010 + Number(family)
  await drawbridge.opens(`tcp/${port}`, to, { openPerSource: 2 })
  const first = await client.holds(at, port)
  const second = await client.holds(at, port)
  await expect(client.holds(at, port, short)).rejects.toThrow(/timeout/)
  const elsewhere = await client.holds(at, port, { from })
  expect((await first.end()).end).toBe('held')
  await new Promise((resolve) => setTimeout(resolve, 300))
  const third = await client.holds(at, port)
  for (const held of [second, elsewhere, third]) expect((await held.end()).received).toBeGreaterThan(0)
})

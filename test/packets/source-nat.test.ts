/** Whom the target sees, and that replies find their way. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await lab.server.answers('udp', 80)
})
afterAll(() => lab?.close())

test.for([
  ['auto', '203.0.113.2', '2001:db8:1::2'],
  ['preserve', '203.0.113.2', '2001:db8:1::2'],
  ['masquerade', '10.0.0.1', 'fd00::1'],
] as const)('%s from outside', async ([mode, peer, peer6]) => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp+udp/8000', [server.at(80), server.at6(80)], { sourceNat: mode })
  for (const protocol of ['tcp', 'udp'] as const) {
    expect((await client.asks(gateway.outside, 8000, { protocol })).peer).toBe(peer)
    expect((await client.asks(gateway.outside6, 8000, { protocol })).peer).toBe(peer6)
  }
  await drawbridge.closes('tcp-udp-8000')
})

test('a fixed address of the gateway, in the family that it is of', async () => {
  const { client, gateway, server } = lab
  await gateway.run('ip', ['address', 'add', '10.0.0.77/24', 'dev', 'in0'])
  await drawbridge.opens('tcp/8001', [server.at(80), server.at6(80)], { sourceNat: '10.0.0.77' })
  expect((await client.asks(gateway.outside, 8001)).peer).toBe('10.0.0.77')
  expect((await client.asks(gateway.outside6, 8001)).peer).toBe('2001:db8:1::2')
})

test('masquerade reaches a server that has no route back; auto does not, as nothing says it should', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp/8002', server.at(80), { sourceNat: 'masquerade' })
  await drawbridge.opens('tcp/8003', server.at(80))
  expect((await client.asks(gateway.outside, 8003)).identity).toBe('server')
  await server.run('ip', ['route', 'del', 'default'])
  expect((await client.asks(gateway.outside, 8002)).peer).toBe('10.0.0.1')
  await expect(client.asks(gateway.outside, 8003, { timeout: 400 })).rejects.toThrow(/timeout/)
  await server.run('ip', ['route', 'add', 'default', 'via', '10.0.0.1'])
})

test.for([
  ['any address', (port: number) => `tcp/${port}`, 8010],
  ['one address', (port: number) => `tcp/${port}@203.0.113.1`, 8011],
] as const)(
  'hairpin, listening on %s: inside hosts and the target itself call the public address',
  async ([, listen, port]) => {
    const { gateway, server, other } = lab
    await drawbridge.opens(listen(port), server.at(80), { name: `hairpin-${port}` })
    expect(await other.asks(gateway.outside, port)).toMatchObject({ identity: 'server', peer: '10.0.0.1' })
    expect(await server.asks(gateway.outside, port)).toMatchObject({ identity: 'server', peer: '10.0.0.1' })
  },
)

test('hairpin over IPv6, by udp, and by an interface', async () => {
  const { gateway, server, other } = lab
  await drawbridge.opens('tcp+udp/8012', [server.at(80), server.at6(80)])
  await drawbridge.opens('tcp/8013%in0', server.at(80))
  for (const host of [server, other]) {
    expect(await host.asks(gateway.outside6, 8012)).toMatchObject({ identity: 'server', peer: 'fd00::1' })
    expect(await host.asks(gateway.outside, 8012, { protocol: 'udp' })).toMatchObject({ peer: '10.0.0.1' })
  }
  expect(await other.asks(gateway.inside, 8013)).toMatchObject({ identity: 'server', peer: '10.0.0.1' })
})

test('the gateway itself reaches the target by its public and its inside address, in both families', async () => {
  const { gateway, server } = lab
  await drawbridge.opens('tcp/8014', [server.at(80), server.at6(80)])
  for (const address of [gateway.outside, gateway.second, gateway.inside]) {
    expect(await gateway.asks(address, 8014)).toMatchObject({ identity: 'server', peer: '10.0.0.1' })
  }
  expect(await gateway.asks(gateway.outside6, 8014)).toMatchObject({ identity: 'server', peer: 'fd00::1' })
})

test('loopback is the gateway’s own: a service there stays reachable beside a forward of its port', async () => {
  const { gateway, server } = lab
  await gateway.answers('tcp', 8015, { address: '127.0.0.1' })
  await drawbridge.opens('tcp/8015', server.at(80))
  expect((await gateway.asks('127.0.0.1', 8015)).identity).toBe('gateway')
  expect((await gateway.asks(gateway.outside, 8015)).identity).toBe('server')
})

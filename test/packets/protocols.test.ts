/** What is translated: protocols, families, and the places where a forward listens. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { asksDns, asksWeb, startDnsmasq, startNginx, startRedis } from '../lab/servers.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
})
afterAll(() => lab?.close())

test('a web server, a name server and a database answer through forwards', async () => {
  const { client, gateway, server, other } = lab
  await startNginx(lab, server, 80, 'hello')
  await startDnsmasq(other, 53, { 'db.example': '192.0.2.7' })
  await startRedis(lab, server, 6379)
  await drawbridge.opens('tcp/8080', [server.at(80), server.at6(80)])
  await drawbridge.opens('tcp+udp/5353', other.at(53))
  await drawbridge.opens('tcp/6379', server.at(6379))

  expect(await asksWeb(client, gateway.outside, 8080)).toContain('hello for 203.0.113.2')
  expect(await asksWeb(client, gateway.outside6, 8080)).toContain('hello for 2001:db8:1::2')
  expect(await asksDns(client, gateway.outside, 5353, 'db.example')).toBe('192.0.2.7')
  expect(await asksDns(client, gateway.outside, 5353, 'db.example', { protocol: 'tcp' })).toBe('192.0.2.7')
  expect(await client.exchanges(gateway.outside, 6379, 'PING\r\nQUIT\r\n')).toBe('+PONG\r\n+OK\r\n')
})

test('tcp alone leaves udp on the same port alone, and the other way round', async () => {
  const { client, gateway, server } = lab
  await server.answers('tcp', 7001)
  await server.answers('udp', 7001)
  await gateway.answers('tcp', 7002)
  await gateway.answers('udp', 7002)
  await drawbridge.opens('tcp/7002', server.at(7001), { takeOver: true })
  expect((await client.asks(gateway.outside, 7002)).identity).toBe('server')
  expect((await client.asks(gateway.outside, 7002, { protocol: 'udp' })).identity).toBe('gateway')
  await drawbridge.closes('tcp-7002')
  await drawbridge.opens('udp/7002', server.at(7001), { takeOver: true })
  expect((await client.asks(gateway.outside, 7002)).identity).toBe('gateway')
  expect((await client.asks(gateway.outside, 7002, { protocol: 'udp' })).identity).toBe('server')
})

test('each family goes to its own target, and a family without one is left alone', async () => {
  const { client, gateway, server, other } = lab
  for (const host of [server, other, gateway]) await host.answers('tcp', 7010)
  await drawbridge.opens('tcp/7010', [server.at(7010), other.at6(7010)], { takeOver: true })
  expect((await client.asks(gateway.outside, 7010)).identity).toBe('server')
  expect((await client.asks(gateway.outside6, 7010)).identity).toBe('other')
  await drawbridge.closes('tcp-7010')
  await drawbridge.opens('tcp/7010', other.at6(7010), { takeOver: true })
  expect((await client.asks(gateway.outside6, 7010)).identity).toBe('other')
  expect((await client.asks(gateway.outside, 7010)).identity).toBe('gateway')
})

test('one listen address of several, in both families', async () => {
  const { client, gateway, server } = lab
  for (const host of [server, gateway]) await host.answers('tcp', 7020)
  await drawbridge.opens(`tcp/7020@${gateway.second}`, server.at(7020), { takeOver: true })
  await drawbridge.opens(`tcp/7020@${gateway.second6}`, server.at6(7020), { name: 'six', takeOver: true })
  expect((await client.asks(gateway.second, 7020)).identity).toBe('server')
  expect((await client.asks(gateway.outside, 7020)).identity).toBe('gateway')
  expect((await client.asks(gateway.second6, 7020)).identity).toBe('server')
  expect((await client.asks(gateway.outside6, 7020)).identity).toBe('gateway')
})

test('one interface: what arrives by it is taken, what arrives by another is not', async () => {
  const { client, gateway, server, other } = lab
  for (const host of [server, gateway]) await host.answers('tcp', 7030)
  await drawbridge.opens('tcp/7030%out0', [server.at(7030), server.at6(7030)], { takeOver: true })
  expect((await client.asks(gateway.outside, 7030)).identity).toBe('server')
  expect((await client.asks(gateway.outside6, 7030)).identity).toBe('server')
  expect((await other.asks(gateway.outside, 7030)).identity).toBe('gateway')
})

test('ping of a listen address goes to the target, ping of the other addresses stays here', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens(`icmp@${gateway.second}`, server.ip)
  await drawbridge.opens(`icmp@${gateway.second6}`, server.ip6, { name: 'ping6' })
  const four = await server.watches('icmp type echo-request')
  const six = await server.watches('icmpv6 type echo-request')
  expect(await client.pings(gateway.second)).toBe(true)
  expect(await client.pings(gateway.second6)).toBe(true)
  expect([await four.count(), await six.count()]).toEqual([1, 1])
  expect(await client.pings(gateway.outside)).toBe(true)
  expect(await client.pings(gateway.outside6)).toBe(true)
  expect([await four.count(), await six.count()]).toEqual([1, 1])
})

test('a ping forward honours its sources', async () => {
  const { client, gateway, server } = lab
  await drawbridge.closes(`icmp-${gateway.second}`)
  await drawbridge.opens(`icmp@${gateway.second}`, server.ip, { from: ['203.0.113.3'] })
  expect(await client.pings(gateway.second, { from: '203.0.113.3' })).toBe(true)
  expect(await client.pings(gateway.second, { from: '203.0.113.2' })).toBe(false)
})

test('an error from the target comes back to the client', async () => {
  const { client, gateway, server } = lab
  await server.answers('udp', 7041)
  await drawbridge.opens('udp/7040-7041', server.ip)
  expect((await client.asks(gateway.outside, 7041, { protocol: 'udp' })).identity).toBe('server')
  await expect(client.asks(gateway.outside, 7040, { protocol: 'udp' })).rejects.toThrow(/refused/)
})

test('link-local addresses stay the gateway’s own, as replies to them could not be routed back', async () => {
  const { client, gateway, server } = lab
  for (const host of [server, gateway]) await host.answers('tcp', 7050)
  await drawbridge.opens('tcp/7050', server.at6(7050), { takeOver: true })
  expect((await client.asks(gateway.outside6, 7050)).identity).toBe('server')
  const [, local] =
    /inet6 (fe80::[0-9a-f:]+)/.exec(await gateway.run('ip', ['-6', 'addr', 'show', 'dev', 'out0'])) ?? []
  const { stdout } = await client.tries('sh', ['-c', `sleep 0.3 | nc -6 -w 1 ${local}%eth0 7050`])
  expect(stdout).toMatch(/^gateway /)
})

/** The lab itself: it must be able to show that packets arrive before any test says that they do not. */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { startLab } from '../lab/lab.ts'
import { runToEnd } from '../lab/process.ts'
import { asksDns, asksWeb, startDnsmasq, startNginx, startRedis } from '../lab/servers.ts'

const dnat = `table inet byhand {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ip daddr 203.0.113.1 tcp dport 8080 dnat ip to 10.0.0.5:80
    ip daddr 203.0.113.1 udp dport 20000-20100 dnat ip to 10.0.0.5
    ip6 daddr 2001:db8:1::1 tcp dport 8080 dnat ip6 to [fd00::5]:80
  }
}`
const forwarding = 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'

describe('hosts and ways', () => {
  test('neighbours reach each other, in both families', async (t) => {
    const { client, gateway, server, other } = await startLab(t)
    const pings = [
      client.pings(gateway.outside),
      client.pings(gateway.outside6),
      client.pings(gateway.second, { from: '203.0.113.4' }),
      gateway.pings(server.ip),
      gateway.pings(server.ip6),
      server.pings(other.ip),
      other.pings(server.ip6),
      server.pings(gateway.inside6),
    ]
    expect(await Promise.all(pings)).toEqual(pings.map(() => true))
  })

  test('the client knows no way to the inside, and the gateway forwards nothing by itself', async (t) => {
    const { client, gateway, server } = await startLab(t)
    await server.answers('tcp', 80)
    expect((await gateway.asks(server.ip, 80)).identity).toBe('server')
    await expect(client.asks(server.ip, 80)).rejects.toThrow(/unreachable/)
    await expect(client.asks(server.ip6, 80)).rejects.toThrow(/unreachable/)

    await client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', gateway.outside])
    const arriving = await gateway.watches('ip daddr 10.0.0.5 tcp dport 80')
    await expect(client.asks(server.ip, 80, { timeout: 300 })).rejects.toThrow(/timeout|unreachable/)
    expect(await arriving.count()).toBeGreaterThan(0)
  })

  test('two labs stand side by side and leave nothing behind', async () => {
    const [one, two] = await Promise.all([startLab(), startLab()])
    await one.server.answers('tcp', 80, { identity: 'one' })
    await two.server.answers('tcp', 80, { identity: 'two' })
    expect((await one.gateway.asks('10.0.0.5', 80)).identity).toBe('one')
    expect((await two.gateway.asks('10.0.0.5', 80)).identity).toBe('two')
    await Promise.all([one.close(), two.close()])
    expect(existsSync(`/run/netns/${one.gateway.namespace}`)).toBe(false)
  })
})

describe('questions and answers', () => {
  test('a server says who it is, on which port, and whom it sees', async (t) => {
    const { client, gateway } = await startLab(t)
    const web = await gateway.answers('tcp', 80)
    await gateway.answers('udp', 53)
    const from = '203.0.113.3'
    const answer = { identity: 'gateway', port: 80, peer: from, peerPort: 4242 }
    expect(await client.asks(gateway.outside, 80, { from, fromPort: 4242 })).toEqual(answer)
    expect(await web.seen()).toEqual([{ port: 80, peer: from, peerPort: 4242 }])
    expect(await client.asks(gateway.outside6, 53, { protocol: 'udp' })).toMatchObject({ peer: client.ip6 })
  })

  test('a closed port refuses, in both protocols and families, as often as it is asked', async (t) => {
    const { client, gateway } = await startLab(t)
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const address of [gateway.outside, gateway.outside6, gateway.outside]) {
        await expect(client.asks(address, 81, { protocol })).rejects.toThrow(/refused/)
      }
    }
    expect(await gateway.listens('tcp', 81)).toBe(false)
  })

  test('a stopped server refuses', async (t) => {
    const { client, gateway } = await startLab(t)
    const web = await gateway.answers('tcp', 80)
    expect(await gateway.listens('tcp', 80)).toBe(true)
    await web.stop()
    await expect(client.asks(gateway.outside, 80)).rejects.toThrow(/client asks tcp .* refused/)
  })

  test('a range of a thousand ports is served, each port by itself', async (t) => {
    const { client, gateway } = await startLab(t)
    await gateway.answers('udp', '20000-20999')
    await gateway.answers('tcp', '20000-20999')
    for (const protocol of ['tcp', 'udp'] as const) {
      expect(await client.asks(gateway.outside, 20999, { protocol })).toMatchObject({ port: 20999 })
    }
  })

  test('a program that fails throws with its words', async (t) => {
    const { gateway } = await startLab(t)
    await expect(gateway.nft('add rule nonsense')).rejects.toThrow(/syntax error/)
    expect(await gateway.tries('sh', ['-c', 'echo no >&2; exit 3'])).toMatchObject({
      code: 3,
      stderr: 'no\n',
    })
  })
})

test('a rule made by hand forwards, and the target sees the client', async (t) => {
  const { client, gateway, server } = await startLab(t)
  await server.answers('tcp', 80)
  await server.answers('udp', '20000-20100')
  await expect(client.asks(gateway.outside, 8080)).rejects.toThrow(/refused/)
  await gateway.run('sh', ['-c', forwarding])
  await gateway.nft(dnat)
  expect(await client.asks(gateway.outside, 8080)).toMatchObject({
    identity: 'server',
    port: 80,
    peer: client.ip,
  })
  expect(await client.asks(gateway.outside6, 8080)).toMatchObject({ identity: 'server', peer: client.ip6 })
  expect(await client.asks(gateway.outside, 20007, { protocol: 'udp' })).toMatchObject({ port: 20007 })
  expect(await gateway.run('conntrack', ['-L', '-p', 'tcp'])).toContain('dport=8080')
})

describe('conversations that go on', () => {
  test('a stall is measured, and nothing is lost over TCP', async (t) => {
    const { client, gateway } = await startLab(t)
    await gateway.answers('tcp', 80)
    const held = await client.holds(gateway.outside, 80, { every: 20 })
    await sleep(100)
    await gateway.nft(
      'table inet wall { chain in { type filter hook input priority 0; tcp dport 80 drop; }; }',
    )
    await sleep(300)
    await gateway.nft('delete table inet wall')
    await sleep(700)
    const report = await held.end()
    expect(report).toMatchObject({ end: 'held', inOrder: true, identities: ['gateway'] })
    expect(report.received).toBe(report.sent)
    expect(report.longestStall).toBeGreaterThan(250)
  })

  test('an undisturbed one has no stall, over TCP and UDP', async (t) => {
    const { client, gateway } = await startLab(t)
    for (const protocol of ['tcp', 'udp'] as const) {
      await gateway.answers(protocol, 80)
      const held = await client.holds(gateway.outside, 80, { protocol, every: 20 })
      await sleep(300)
      const report = await held.end()
      expect(report).toMatchObject({ end: 'held', inOrder: true, refusals: 0, identities: ['gateway'] })
      expect(report.received).toBe(report.sent)
      expect(report.longestStall).toBeLessThan(200)
    }
  })

  test('a reset is told from an end', async (t) => {
    const { client, gateway } = await startLab(t)
    const web = await gateway.answers('tcp', 80)
    const held = await client.holds(gateway.outside, 80)
    await web.stop()
    await sleep(50)
    expect((await held.look()).end).toBe('reset')

    const greeting = 'echo gateway 81 203.0.113.2 1; sleep 0.2'
    gateway.spawn('socat', ['tcp-listen:81', `system:${greeting}`])
    while (!(await gateway.listens('tcp', 81))) await sleep(10)
    const ending = await client.holds(gateway.outside, 81)
    await sleep(400)
    expect((await ending.look()).end).toBe('closed')
  })
})

describe('real servers', () => {
  test('nginx, dnsmasq and redis answer', async (t) => {
    const lab = await startLab(t)
    const { gateway, server } = lab
    await Promise.all([
      startNginx(lab, server, 80, 'a page'),
      startDnsmasq(server, 53, { 'game.test': '192.0.2.7' }),
      startRedis(lab, server, 6379),
    ])
    expect(await asksWeb(gateway, server.ip, 80)).toBe('a page for 10.0.0.1')
    expect(await asksWeb(gateway, server.ip6, 80)).toBe('a page for fd00::1')
    expect(await asksDns(gateway, server.ip, 53, 'game.test')).toBe('192.0.2.7')
    expect(await asksDns(gateway, server.ip, 53, 'game.test', { protocol: 'tcp' })).toBe('192.0.2.7')
    expect(await gateway.exchanges(server.ip, 6379, 'PING\r\nQUIT\r\n')).toBe('+PONG\r\n+OK\r\n')
  })
})

describe('drawbridge in the gateway', () => {
  test('opens and closes a port, by its API and by its command line', async (t) => {
    const lab = await startLab(t)
    const { client, gateway, server } = lab
    await server.answers('tcp', 80)
    const drawbridge = await startDrawbridge(lab)
    await expect(client.asks(gateway.outside, 8080)).rejects.toThrow(/refused/)

    await drawbridge.opens('tcp/8080', server.at(80), { name: 'web', sourceNat: 'masquerade' })
    expect((await client.asks(gateway.outside, 8080)).peer).toBe(gateway.inside)

    expect(await drawbridge.cli(['close', 'web'])).toMatchObject({ code: 0, stderr: '' })
    await expect(client.asks(gateway.outside, 8080)).rejects.toThrow(/refused/)
  })

  test('is killed, and started again on the same state', async (t) => {
    const lab = await startLab(t)
    const { client, gateway, server } = lab
    await server.answers('tcp', 80)
    const drawbridge = await startDrawbridge(lab)
    await drawbridge.opens('tcp/8080', server.at(80))

    await drawbridge.kill9()
    await expect(drawbridge.api.status(0)).rejects.toThrow(/does not answer/)
    expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')

    await drawbridge.start()
    expect((await drawbridge.api.forwards()).forwards).toHaveLength(1)
    await drawbridge.restart()
    expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')
  })
})

test('the demo shows what it promises', async () => {
  const script = fileURLToPath(new URL('../lab/demo.ts', import.meta.url))
  const { code, stdout } = await runToEnd([process.execPath, script], { env: { DRAWBRIDGE_DEMO_ONCE: '1' } })
  expect(stdout.match(/✔|✘/g)?.join('')).toBe('✔✔✔✔✔✔')
  expect(code).toBe(0)
})

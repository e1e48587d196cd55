/** What Drawbridge leaves alone, and that nothing opens beside the forwards. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge
let before: readonly string[]
const short = { timeout: 400 }

const switches = [
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  'net.ipv6.conf.out0.accept_ra',
  'net.ipv4.conf.all.route_localnet',
  'net.ipv4.conf.all.accept_redirects',
  'net.ipv4.conf.in0.forwarding',
  'net.ipv6.conf.default.accept_ra',
]
const readSwitches = async () => (await lab.gateway.run('sysctl', ['-n', ...switches])).trim().split('\n')

beforeAll(async () => {
  lab = await startLab()
  await lab.gateway.run('sysctl', [
    '-w',
    'net.ipv4.conf.all.accept_redirects=0',
    'net.ipv4.conf.in0.forwarding=1',
  ])
  before = await readSwitches()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', '80-81')
  await lab.server.answers('udp', '80-81')
})
afterAll(() => lab?.close())

/** Sends an answer to a ping that nobody has sent from outside to the inside server, and says whether it arrives. */
async function strayArrives({ client, server }: Lab): Promise<boolean> {
  const seen = await server.watches('icmp type echo-reply')
  // Type 0, code 0, checksum ffff, everything else zero (RFC 792).
  await client.run('sh', [
    '-c',
    `printf '\\000\\000\\377\\377\\000\\000\\000\\000' | socat -u - IP4-SENDTO:${server.ip}:1`,
  ])
  await new Promise((resolve) => setTimeout(resolve, 100))
  const count = await seen.count()
  await seen.stop()
  return count > 0
}

test('a start without forwards switches nothing on', async () => {
  expect(await readSwitches()).toEqual(before)
  expect(before.slice(0, 2)).toEqual(['0', '0'])
})

test('an IPv4 forward switches IPv4 forwarding on and nothing else; the IPv6 one follows with the first IPv6 target', async () => {
  const { client, gateway, server } = lab
  await drawbridge.opens('tcp/8080', server.at(80))
  expect((await readSwitches()).slice(0, 4)).toEqual(['1', '0', before[2], '0'])
  expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')
  await drawbridge.opens('tcp/8081', server.at6(80))
  expect((await readSwitches()).slice(0, 4)).toEqual(['1', '1', '2', '0'])
  // A tunnel or a stick that comes later still gets its route from its router.
  const late = 'net.ipv6.conf.late.accept_ra'
  await gateway.run('ip', ['link', 'add', 'late', 'type', 'veth', 'peer', 'later'])
  expect(await gateway.run('sysctl', ['-n', late])).toBe('2\n')
  await gateway.run('sysctl', ['-w', `${late}=1`])
  await gateway.run('ip', ['link', 'set', 'late', 'up'])
  await expect.poll(() => gateway.run('sysctl', ['-n', late]), { timeout: 5000 }).toBe('2\n')
  await gateway.run('ip', ['link', 'del', 'late'])
  expect((await client.asks(gateway.outside6, 8081)).identity).toBe('server')
})

test('an outside host with a route to the inside reaches the forwards and nothing else', async () => {
  const { client, gateway, server } = lab
  await client.run('ip', ['route', 'replace', '10.0.0.0/24', 'via', gateway.outside])
  await client.run('ip', ['-6', 'route', 'replace', 'fd00::/64', 'via', gateway.outside6])
  for (const [address, port] of [
    [server.ip, 80],
    [server.ip, 81],
    [server.ip6, 80],
  ] as const) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const arriving = await gateway.watches(`${protocol} dport ${port}`)
      await expect(client.asks(address, port, { protocol, ...short })).rejects.toThrow(/timeout/)
      expect(await arriving.count()).toBeGreaterThan(0)
      await arriving.stop()
    }
  }
  expect(await client.pings(server.ip)).toBe(false)
  expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')
})

test('what belongs to no connection does not pass the shield either; without one it would', async (t) => {
  const { client, gateway } = lab
  await client.run('ip', ['route', 'replace', '10.0.0.0/24', 'via', gateway.outside])
  const arriving = await gateway.watches('icmp type echo-reply')
  expect(await strayArrives(lab)).toBe(false)
  expect(await arriving.count()).toBe(1)
  await arriving.stop()

  const open = await startLab(t)
  await open.gateway.run('sysctl', ['-w', 'net.ipv4.ip_forward=1'])
  await open.client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', open.gateway.outside])
  const unshielded = await startDrawbridge(open)
  await unshielded.opens('tcp/8080', open.server.at(80))
  expect(await strayArrives(open)).toBe(true)
})

test('inside hosts use the gateway as their router, and a forwarded port elsewhere is not taken from them', async () => {
  const { client, gateway, server, other } = lab
  await client.run('ip', ['route', 'replace', '10.0.0.0/24', 'via', gateway.outside])
  await client.answers('tcp', 8080)
  await client.answers('udp', 8080)
  expect((await other.asks('203.0.113.2', 8080)).identity).toBe('client')
  expect((await server.asks('203.0.113.2', 8080, { protocol: 'udp' })).identity).toBe('client')
})

test('other ports of the gateway answer as before: its own services, and a refusal where there is none', async () => {
  const { client, gateway } = lab
  await gateway.answers('tcp', 9000)
  expect((await client.asks(gateway.outside, 9000)).identity).toBe('gateway')
  await expect(client.asks(gateway.outside, 9001)).rejects.toThrow(/refused/)
  await expect(client.asks(gateway.outside, 9001, { protocol: 'udp' })).rejects.toThrow(/refused/)
})

test('the mark is set on connections of forwards alone, other bits are kept', async () => {
  const { client, gateway } = lab
  await gateway.answers('tcp', 9010)
  await gateway.nft(`table inet byhand { chain tagging {
    type filter hook prerouting priority mangle; ct state new tcp dport { 8080, 9010 } ct mark set 0x00012345
  }
  }`)
  await client.asks(gateway.outside, 9010)
  await client.asks(gateway.outside, 8080)
  const marks = await gateway.run('conntrack', ['-L', '-p', 'tcp', '--src', '203.0.113.2'])
  expect(marks).toMatch(new RegExp(`dport=9010 .*mark=${0x00012345} `))
  expect(marks).toMatch(new RegExp(`dport=8080 .*mark=${0x2db12345} `))
  await gateway.nft('delete table inet byhand')
})

test('down --all leaves no trace: tables, switches, connections pass as without us; up brings everything back', async () => {
  const { client, gateway } = lab
  expect((await drawbridge.cli(['down', '--all'])).code).toBe(0)
  expect(await gateway.run('nft', ['list', 'ruleset'])).toBe('')
  expect(await readSwitches()).toEqual(before)
  await expect(client.asks(gateway.outside, 8080)).rejects.toThrow(/refused/)
  await drawbridge.restart()
  expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')
})

test('down --all works as well when nothing runs', async () => {
  const { client, gateway } = lab
  await drawbridge.stop()
  expect((await client.asks(gateway.outside, 8080)).identity).toBe('server')
  expect((await drawbridge.cli(['down', '--all'])).code).toBe(0)
  expect(await gateway.run('nft', ['list', 'ruleset'])).toBe('')
  expect(await readSwitches()).toEqual(before)
})

test('where forwarding was on before, it stays on and what the machine let through still passes', async (t) => {
  const own = await startLab(t)
  const { client, gateway, server } = own
  await gateway.run('sysctl', ['-w', 'net.ipv4.ip_forward=1'])
  await client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', gateway.outside])
  await server.answers('tcp', 80)
  const other = await startDrawbridge(own)
  await other.opens('tcp/8080', server.at(80))
  expect((await client.asks(server.ip, 80)).identity).toBe('server')
  await other.cli(['down', '--all'])
  expect((await gateway.run('sysctl', ['-n', 'net.ipv4.ip_forward'])).trim()).toBe('1')
})

test('every uplink is outside: the second next hop of a route, halves of the world, other tables; and one that comes later', async (t) => {
  const own = await startLab(t)
  const { gateway, server } = own
  await gateway.run('ip', ['link', 'add', 'up1', 'type', 'veth', 'peer', 'name', 'up1p'])
  await gateway.run('ip', ['link', 'add', 'up2', 'type', 'veth', 'peer', 'name', 'up2p'])
  await gateway.run('ip', ['link', 'add', 'up3', 'type', 'veth', 'peer', 'name', 'up3p'])
  for (const [index, link] of ['up1', 'up2', 'up3'].entries()) {
    await gateway.run('ip', ['address', 'add', `192.0.2.${index * 8 + 1}/29`, 'dev', link])
    await gateway.run('ip', ['link', 'set', link, 'up'])
    await gateway.run('ip', ['link', 'set', `${link}p`, 'up'])
  }
  const hops = ['nexthop', 'via', '203.0.113.2', 'dev', 'out0', 'nexthop', 'via', '192.0.2.2', 'dev', 'up1']
  await gateway.run('ip', ['route', 'replace', 'default', ...hops])
  await gateway.run('ip', ['route', 'add', '128.0.0.0/1', 'via', '192.0.2.10'])
  const drawbridge = await startDrawbridge(own)
  await drawbridge.opens('tcp/8000', server.at(80))
  const outside = async () =>
    [...(await gateway.run('nft', ['list', 'set', 'inet', 'drawbridge', 'outside'])).matchAll(/"(\w+)"/g)]
      .map(([, name]) => name)
      .sort()
  expect(await outside()).toEqual(['out0', 'up1', 'up2'])
  await gateway.run('ip', ['route', 'add', 'default', 'via', '192.0.2.18', 'table', '99'])
  await expect.poll(outside, { timeout: 4000 }).toEqual(['out0', 'up1', 'up2', 'up3'])
})

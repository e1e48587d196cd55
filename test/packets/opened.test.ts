/** Services of the gateway itself that are opened by `self:PORT`, on a machine without a firewall of its own. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { asksFrom } from '../lab/asking.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { startFail2ban } from '../lab/fail2ban.ts'
import type { Protocol } from '../lab/inside/protocol.ts'
import { type Lab, startLab } from '../lab/lab.ts'

const slow = { timeout: 60_000 }
const patient = { timeout: 20_000 }
const [office, stranger] = ['203.0.113.2', '203.0.113.3']
const [office6, stranger6] = ['2001:db8:1::2', '2001:db8:1::3']

let lab: Lab
let drawbridge: Drawbridge

const asks = (port: number, from = office, protocol?: Protocol) => asksFrom(lab, port, from, protocol)

beforeAll(async () => {
  lab = await startLab()
  const { gateway } = lab
  for (const protocol of ['tcp', 'udp'] as const) await gateway.answers(protocol, 5432)
  await gateway.answers('tcp', 5433)
  await gateway.answers('tcp', 6379, { address: '127.0.0.1' })
  await gateway.answers('tcp', 6380, { address: gateway.inside })
  drawbridge = await startDrawbridge(lab)
  return () => lab.close()
}, 60_000)

afterEach(async () => {
  const { forwards } = await drawbridge.api.forwards()
  if (forwards.length > 0) await drawbridge.api.close({ names: forwards.map(({ name }) => name) })
})

test('its sources reach it by both protocols and families, as they are; others do not, until it is closed', async () => {
  for (const from of [office, stranger, office6, stranger6]) expect(await asks(5432, from)).toBe('gateway')
  await drawbridge.opens('tcp+udp/5432', 'self:5432', { name: 'pg', from: [office, office6] })
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const from of [office, office6]) expect(await asks(5432, from, protocol)).toBe('gateway')
    for (const from of [stranger, stranger6]) expect(await asks(5432, from, protocol)).toBe('timeout')
  }
  const seen = await lab.client.asks(lab.gateway.outside, 5432, { from: office })
  expect(seen.peer).toBe(office)
  expect(await asks(5433, stranger)).toBe('gateway')
  const { connections, refused } = await drawbridge.api.forward('pg')
  expect(connections).toBeGreaterThanOrEqual(5)
  expect(refused).toBeGreaterThanOrEqual(4)
  await drawbridge.closes('pg')
  expect(await asks(5432, stranger)).toBe('gateway')
})

test('a lockdown keeps everybody from it, firewall or not, until it is lifted; exposure says so', async () => {
  await drawbridge.opens('tcp+udp/5432', 'self:5432', { name: 'pg', from: [office, office6] })
  const session = await lab.client.holds(lab.gateway.outside, 5432, { from: office })
  await drawbridge.cli(['lockdown'])
  for (const from of [office, stranger, office6, stranger6])
    for (const protocol of ['tcp', 'udp'] as const) expect(await asks(5432, from, protocol)).toBe('timeout')
  expect((await session.end()).end ?? 'held').toBe('held')
  const { exposures } = await drawbridge.api.exposure()
  const about = exposures.filter(({ ports }) => ports.split(/[^0-9]/).includes('5432'))
  expect(about.map(({ kind, state }) => [kind, state])).toEqual([['forward', 'closed']])
  await drawbridge.cli(['lockdown', '--lift'])
  expect([await asks(5432), await asks(5432, stranger)]).toEqual(['gateway', 'timeout'])
})

test('the gateway reaches it itself, by its addresses and by loopback, whoever else may', async () => {
  await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg', from: [office, lab.gateway.outside] })
  for (const address of [lab.gateway.outside, '127.0.0.1', '::1'])
    expect((await lab.gateway.asks(address, 5432)).identity).toBe('gateway')
})

test('nothing is forwarded for it: the networks behind the gateway stay behind it', async () => {
  const forwarding = () => lab.gateway.run('cat', ['/proc/sys/net/ipv4/ip_forward'])
  await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg' })
  expect(await asks(5432)).toBe('gateway')
  expect(await forwarding()).toBe('0\n')
  await drawbridge.opens('tcp/8080', lab.server.at(80), { name: 'web' })
  expect(await forwarding()).toBe('1\n')
})

test('limits hold for it, and are counted', async () => {
  await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg', newPerSource: '2/m' })
  expect([await asks(5432), await asks(5432)]).toEqual(['gateway', 'gateway'])
  expect(await asks(5432)).toBe('timeout')
  expect(await asks(5432, stranger)).toBe('gateway')
  expect((await drawbridge.api.forward('pg')).limited).toBeGreaterThan(0)
})

test.for([
  ['drain', 'held'],
  ['keep', 'held'],
  ['cut', 'reset'],
] as const)(
  '%s: an established connection is %s when a forward closes or a source is taken away',
  slow,
  async ([onChange, end]) => {
    const { client, gateway } = lab
    await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg', onChange, from: [office, stranger] })
    const [first, second] = [
      await client.holds(gateway.outside, 5432, { from: office }),
      await client.holds(gateway.outside, 5432, { from: stranger }),
    ]
    await drawbridge.api.apply({
      gateway: {
        version: 1,
        forwards: [{ name: 'pg', listen: 'tcp/5432', to: 'self:5432', on_change: onChange, from: [office] }],
      },
      confirm: 0,
    })
    await expect.poll(async () => (await second.look()).end ?? 'held', patient).toBe(end)
    expect((await first.look()).end ?? 'held').toBe('held')
    await drawbridge.closes('pg')
    await expect.poll(async () => (await first.look()).end ?? 'held', patient).toBe(end)
    for (const one of [first, second]) expect((await one.end()).end).toBe(end)
    // The service itself has lost nothing but those.
    expect(await asks(5432)).toBe('gateway')
  },
)

describe('before it is opened', () => {
  const opens = (...words: readonly string[]) => drawbridge.cli(['open', ...words])

  test('a service on loopback only is refused with the reason and the remedy, in a plan too; one beside it is not', async () => {
    for (const more of [[], ['--dry-run']]) {
      const { code, stderr, stdout } = await opens('tcp/6379', 'self:6379', ...more)
      expect(code).toBe(2)
      expect(stderr + stdout).toMatch(
        /tcp\/6379.* serves on 127\.0\.0\.1 only: nothing from outside arrives there/,
      )
      expect(stderr + stdout).toMatch(/Have it listen on the address/)
    }
    expect(await lab.gateway.run('cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).toBe('0\n')
    expect((await opens('tcp/5433', 'self:5433')).code).toBe(0)
  })

  test('that nobody listens is a warning, in status too, until somebody does', async () => {
    const { code, stderr } = await opens('tcp/7000', 'self:7000')
    expect(code).toBe(0)
    expect(stderr).toMatch(/tcp-7000: nobody listens on tcp\/7000 of this machine/)
    const status = async () => (await drawbridge.cli(['status'])).stdout
    expect(await status()).toMatch(
      /^conflict: tcp-7000: nobody listens on tcp\/7000 .*; it is open for whoever does$/m,
    )
    const answering = await lab.gateway.answers('tcp', 7000)
    expect(await asks(7000)).toBe('gateway')
    expect(await status()).not.toMatch(/nobody listens/)
    await answering.stop()
  })

  test('of UDP on a port for the own questions of this machine, as WireGuard has, it is not said', async () => {
    expect((await opens('udp/7000', 'self:7000')).stderr).toMatch(/nobody listens on udp\/7000/)
    await lab.gateway.answers('udp', 51820)
    expect((await opens('udp/51820', 'self:51820')).stderr).not.toMatch(/nobody/)
    expect(await asks(51820, office, 'udp')).toBe('gateway')
  })

  test('a listener on another address is said, with the address', async () => {
    expect((await opens('tcp/6380', 'self:6380')).stderr).toMatch(
      /serves tcp\/6380 on 10\.0\.0\.1 only; at other addresses of this machine nobody answers/,
    )
    await drawbridge.closes('tcp-6380')
    expect((await opens('tcp/6380@203.0.113.1', 'self:6380')).stderr).toMatch(
      /serves tcp\/6380 on 10\.0\.0\.1 only, and not where tcp\/6380@203\.0\.113\.1 is open/,
    )
  })

  test('it does not hide the service, and says once that nothing else keeps anybody out', async () => {
    const { stderr } = await opens('tcp/5432', 'self:5432', '--from', office)
    expect(stderr.match(/no firewall of this machine keeps anybody from tcp-5432/g)).toHaveLength(1)
    expect(stderr).not.toMatch(/hides/)
    const again = await opens('tcp/5432', 'self:5432', '--from', office)
    expect(again.stderr).toBe('')
  })

  test('NAT of another program takes the packets, whichever chain comes first, and that is said', async () => {
    const { gateway, server } = lab
    await server.answers('tcp', 81)
    await gateway.nft(
      `table ip hand { chain pre { type nat hook prerouting priority dstnat; tcp dport 5433 dnat to 10.0.0.5:81
      }
      }`,
    )
    await drawbridge.opens('tcp/8081', server.at(81), { name: 'forwarding' })
    const { stderr } = await opens('tcp/5433', 'self:5433')
    expect(await asks(5433)).toBe('server')
    expect(stderr).toMatch(
      /tcp-5433: tcp\/5433 is also forwarded to 10\.0\.0\.5:81 .*the service here never sees them/,
    )
    await gateway.nft('delete table ip hand')
    expect(await asks(5433)).toBe('gateway')
  })
})

describe('beside a firewall that nobody knows', () => {
  const input = (rules: string) =>
    lab.gateway.nft(`add table inet filter; flush table inet filter
      table inet filter { chain input { type filter hook input priority 0; policy drop; iifname lo accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        ${rules}
      }
      }`)
  beforeEach(() => input('tcp dport 22 accept'))
  afterEach(() => lab.gateway.nft('delete table inet filter'))
  const conflicts = async () =>
    (await drawbridge.cli(['status'])).stdout.split('\n').filter((line) => line.startsWith('conflict'))

  test(
    'planning, opening and status name the one rule that admits what is opened, and it does',
    slow,
    async () => {
      const { gateway } = lab
      const said =
        /tcp-5432: no connection over IPv4 arrives, as it is blocked by table inet filter, chain input, policy; .*: (nft insert rule inet filter input ct mark and 0xfff00000 == 0x2db00000 accept)$/m
      const words = ['open', 'tcp/5432', 'self:5432', '--from', office]
      expect((await drawbridge.cli([...words, '--dry-run'])).stderr).toMatch(said)
      const { code, stderr } = await drawbridge.cli(words)
      expect([code, await asks(5432)]).toEqual([0, 'timeout'])
      expect((await conflicts()).join('\n')).toMatch(said)
      const rule = said.exec(stderr)?.[1] ?? ''
      await gateway.run('sh', ['-ec', rule])
      expect(await asks(5432)).toBe('gateway')
      expect(await asks(5432, stranger)).toBe('timeout')
      expect(await asks(5433)).toBe('timeout')
      expect(await conflicts()).toEqual([])
      expect(stderr).not.toMatch(/no firewall/)
    },
  )

  test('a rule of the operator that admits the port is enough', async () => {
    await input('tcp dport 5432 accept')
    const { stderr } = await drawbridge.cli(['open', 'tcp/5432', 'self:5432', '--from', office])
    expect(stderr).toMatch(/^warning: no firewall of this machine keeps anybody from tcp-5432[^\n]*\n$/)
    expect([await asks(5432), await asks(5432, stranger)]).toEqual(['gateway', 'timeout'])
    expect(await conflicts()).toEqual([])
  })
})

test('whom Fail2Ban bans does not reach it either', { timeout: 120_000 }, async () => {
  await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg' })
  const jail = { name: 'sshd', action: 'nftables[name=sshd, port=22, protocol=tcp]' }
  const fail2ban = await startFail2ban(lab, [jail])
  expect(await asks(5432)).toBe('gateway')
  await fail2ban.bans('sshd', office)
  await expect.poll(() => asks(5432), patient).toBe('timeout')
  expect(await asks(5432, stranger)).toBe('gateway')
})

/** Ping, raw sockets, bans, services behind forwards and who is asked, as `exposure` says it, held against packets from outside. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ExposurePage } from '../../src/api/shapes.ts'
import type { Drawbridge } from '../lab/drawbridge.ts'
import { allScans, type Exposed, fewScans, minutes, named, startExposed } from '../lab/exposed.ts'
import type { Lab } from '../lab/lab.ts'
import { about, agree } from '../lab/scanning.ts'

let lab: Lab
let drawbridge: Drawbridge
let exposed: Exposed

beforeAll(async () => {
  exposed = await startExposed()
  lab = exposed.lab
  drawbridge = exposed.drawbridge
})
afterEach(() => exposed.clear())
afterAll(() => lab?.close())

test(
  'whom other programs have banned is named at every forward that they could use otherwise',
  async () => {
    const { gateway, server, client } = lab
    await drawbridge.opens('tcp/8080', [server.at(80), server.at6(80)], { name: 'web' })
    await drawbridge.opens('tcp/8081', server.at(81), { name: 'mine', from: '203.0.113.2' })
    await drawbridge.opens('tcp/8082', server.at(80), { name: 'theirs', from: '203.0.113.3' })
    const before = await agree(lab, await drawbridge.api.exposure(), fewScans)
    expect(before.tcp4).toEqual([80, 81, 82, 83, 84, 8080, 8081])
    await exposed.loads(
      `table inet f2b-table {
        set addr-set-sshd { type ipv4_addr; elements = { 203.0.113.2 } }
        chain f2b-chain { type filter hook input priority -1
          tcp dport 80 ip saddr @addr-set-sshd reject
        }
      }`,
      'inet f2b-table',
    )
    const banned = async () => named(await drawbridge.api.exposure(), 'web')?.banned
    await expect.poll(banned, { timeout: 20_000 }).toBe('203.0.113.2 by fail2ban (sshd)')
    const page = await drawbridge.api.exposure()
    const seen = await agree(lab, page, allScans)
    expect(seen.tcp4).toEqual([81, 82, 83, 84])
    expect(seen.tcp6).toContain(8080)
    expect((await client.asks(gateway.outside, 8080, { from: '203.0.113.3' })).identity).toBe('server')
    expect(named(page, 'web')).toMatchObject({ state: 'open', from: 'anywhere', anywhere: true })
    expect(named(page, 'mine')).toMatchObject({
      state: 'closed',
      rule: 'all who may use it are banned: 203.0.113.2 by fail2ban (sshd)',
    })
    expect(named(page, 'theirs')).toMatchObject({ state: 'open', banned: '' })
    expect(about(page, 80).map(({ families, from }) => [families, from])).toEqual(
      expect.arrayContaining([
        [[6], 'anywhere'],
        [[4], 'anywhere but 203.0.113.2'],
      ]),
    )
    const { stdout } = await drawbridge.cli(['exposure'])
    expect(stdout).toMatch(/^forward web .* anywhere, but not 203\.0\.113\.2 by fail2ban \(sshd\) /m)
  },
  3 * minutes,
)

test(
  'ping: answered by the machine, taken by a forward, and by whom it is refused',
  async () => {
    const { gateway, server, client } = lab
    const ping = (page: ExposurePage, family: 4 | 6) =>
      page.exposures.filter(({ kind, families }) => kind === 'ping' && families.includes(family))
    const first = await drawbridge.api.exposure()
    expect(await client.pings(gateway.outside)).toBe(true)
    expect(await client.pings(gateway.outside6)).toBe(true)
    expect(ping(first, 4)).toMatchObject([{ state: 'open', from: 'anywhere', declared: false }])
    await drawbridge.opens(`icmp@${gateway.second}`, server.ip, { name: 'echo' })
    const second = await drawbridge.api.exposure()
    expect(await client.pings(gateway.second)).toBe(true)
    expect(named(second, 'echo')).toMatchObject({ state: 'open', protocols: ['icmp'] })
    expect(ping(second, 4)[0]?.addresses).not.toContain(gateway.second)
    await exposed.loads(
      `table inet hand {
        chain in { type filter hook input priority 0
          ip saddr 203.0.113.2 icmp type echo-request drop
        }
        chain onward { type filter hook forward priority 0
          icmp type echo-request drop
        }
      }`,
      'inet hand',
    )
    const third = await drawbridge.api.exposure()
    expect(await client.pings(gateway.outside)).toBe(false)
    expect(await client.pings(gateway.second)).toBe(false)
    expect(await client.pings(gateway.outside6)).toBe(true)
    expect(ping(third, 4)).toMatchObject([{ state: 'open', from: 'anywhere but 203.0.113.2' }])
    expect(ping(third, 6)).toMatchObject([{ state: 'open', from: 'anywhere' }])
    expect(named(third, 'echo')?.rule).toMatch(/^blocked by table inet hand, chain onward, rule handle \d+$/)
    const mute = (on: boolean) =>
      gateway.run('sysctl', ['-qw', `net.ipv6.icmp.echo_ignore_all=${on ? 1 : 0}`])
    exposed.undoes(() => mute(false))
    await mute(true)
    expect(await client.pings(gateway.outside6)).toBe(false)
    expect(ping(await drawbridge.api.exposure(), 6)).toMatchObject([
      { state: 'closed', from: 'nobody', rule: 'blocked by net.ipv6.icmp.echo_ignore_all' },
    ])
  },
  minutes,
)

test('a raw socket of another protocol is listed, and what a rule does to it', async () => {
  const { gateway } = lab
  gateway.spawn('socat', ['-u', 'IP4-RECV:253', 'STDOUT'])
  const raw = async () => (await drawbridge.api.exposure()).exposures.filter(({ kind }) => kind === 'raw')
  await expect.poll(raw, { timeout: 20_000 }).toMatchObject([
    {
      state: 'open',
      protocols: ['protocol 253'],
      families: [4],
      behind: 'a raw socket of user root',
      declared: false,
    },
  ])
  await exposed.loads(
    'table inet hand { chain in { type filter hook input priority 0\nmeta l4proto 253 drop\n}\n}',
    'inet hand',
  )
  expect((await raw())[0]).toMatchObject({ state: 'closed' })
})

test(
  'a service of this machine behind a forward is the forward’s, not an undeclared one, and admitted by the rule that admits it',
  async () => {
    const { gateway, client } = lab
    await drawbridge.opens('tcp/84', 'self:84', {
      name: 'shop',
      from: '203.0.113.3',
      privileged: true,
      takeOver: true,
    })
    await drawbridge.opens('tcp/89', 'self:89', { name: 'idle', privileged: true })
    await exposed.loads(
      `table inet hand { chain in { type filter hook input priority 0; policy drop
        ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept
        ct mark & 0xfff00000 == 0x2db00000 accept
        tcp dport 83 accept
      }
      }`,
      'inet hand',
    )
    const page = await drawbridge.api.exposure()
    expect(named(page, 'shop')).toMatchObject({
      state: 'open',
      from: '203.0.113.3',
      answered: true,
      rule: expect.stringMatching(/^admitted by table inet hand, chain in, rule handle \d+$/),
    })
    expect(named(page, 'idle')).toMatchObject({ state: 'open', answered: false })
    expect(about(page, 84)).toEqual([])
    const seen = await agree(lab, page, { ...allScans, udp4: 'none', udp6: 'none' })
    expect(seen.tcp4).toEqual([83])
    expect((await client.asks(gateway.outside, 84, { from: '203.0.113.3' })).identity).toBe('gateway')
  },
  2 * minutes,
)

test('of many forwards the first are asked whether their targets answer, and those that are named', async () => {
  const { server } = lab
  for (let at = 0; at < 22; at += 1)
    await drawbridge.opens(`tcp/${9000 + at}`, server.at(80 + (at % 3)), { name: `f${at}` })
  const all = await drawbridge.api.exposure()
  expect(all.unasked).toBe(2)
  expect(named(all, 'f19')?.answered).toBe(true)
  expect([named(all, 'f20')?.answered, named(all, 'f21')?.answered]).toEqual([null, null])
  const some = await drawbridge.api.exposure(['f20', 'f21', 'f0'])
  expect(some.exposures.map(({ name, answered }) => [name, answered])).toEqual([
    ['f0', true],
    ['f20', false],
    ['f21', true],
  ])
  expect(some.unasked).toBe(0)
  const { stdout } = await drawbridge.cli(['exposure'])
  expect(stdout).toContain('of 2 forwards it was not asked whether the target answers; name them to ask')
  const one = await drawbridge.cli(['exposure', 'f20'])
  expect(one.code).toBe(0)
  expect(one.stdout).toMatch(/^forward f20 +tcp\/9020 .*open, nobody answers/m)
  const none = await drawbridge.cli(['exposure', 'nobody'])
  expect(none.code).not.toBe(0)
})

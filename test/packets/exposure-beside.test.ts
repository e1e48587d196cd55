/** What stands before, beside and behind the tables of IP, as `exposure` says it, held against nmap and packets from outside. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ExposurePage } from '../../src/api/shapes.ts'
import type { Drawbridge } from '../lab/drawbridge.ts'
import { allScans, type Exposed, fewScans, minutes, named, startExposed } from '../lab/exposed.ts'
import type { Lab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { about, agree, everyPort } from '../lab/scanning.ts'

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

const rules = (page: ExposurePage, port: number) => about(page, port).map(({ rule }) => rule)

test(
  'chains of netdev: at ingress, at egress of answers, and at egress to the target of a forward',
  async () => {
    const { server } = lab
    await drawbridge.opens('tcp/8080', server.at(80), { name: 'web' })
    await drawbridge.opens('tcp/8081', server.at(81), { name: 'inner' })
    await drawbridge.opens('tcp/8082', server.at(80), { name: 'mute' })
    const before = await agree(lab, await drawbridge.api.exposure(), fewScans)
    expect(before.tcp4).toEqual([80, 81, 82, 83, 84, 8080, 8081, 8082])
    expect(before.udp4).toEqual([1000, 1001, 1002])
    const at = (way: string, device: string) => `type filter hook ${way} device ${device} priority 0`
    await exposed.loads(
      `table netdev walls {
        chain in { ${at('ingress', 'out0')}
          tcp dport 80 drop
          ip saddr 203.0.113.2 tcp dport 81 drop
          ip6 saddr 2001:db8:1::/64 udp dport 1000 drop
        }
        chain out { ${at('egress', 'out0')}
          tcp sport { 82, 8082 } drop
        }
        chain inside { ${at('egress', 'in0')}
          tcp dport 81 drop
        }
      }
      table inet walls { chain in { ${at('ingress', 'out0')}
        tcp dport 83 drop
      }
      }`,
      'netdev walls',
      'inet walls',
    )
    const page = await drawbridge.api.exposure()
    const seen = await agree(lab, page, allScans)
    expect(seen.tcp4).toEqual([84, 8080])
    expect(seen.tcp6).toEqual([81, 84])
    expect([seen.udp4, seen.udp6]).toEqual([
      [1000, 1001, 1002],
      [1001, 1002],
    ])
    expect(rules(page, 80)[0]).toMatch(/^blocked by table netdev walls, chain in, rule handle \d+$/)
    expect(rules(page, 82)[0]).toMatch(/^blocked by table netdev walls, chain out, rule handle \d+$/)
    expect(rules(page, 83)[0]).toMatch(/^blocked by table inet walls, chain in, rule handle \d+$/)
    expect(named(page, 'inner')?.rule).toMatch(
      /^blocked by table netdev walls, chain inside, rule handle \d+$/,
    )
    expect(named(page, 'mute')?.rule).toMatch(/^blocked by table netdev walls, chain out, rule handle \d+$/)
  },
  4 * minutes,
)

test(
  'iptables-legacy: its tables are read like all others',
  async () => {
    const { gateway, server } = lab
    await drawbridge.opens('tcp/8080', server.at(80), { name: 'web' })
    await drawbridge.opens('tcp/8081', server.at(81), { name: 'inner' })
    const before = await agree(lab, await drawbridge.api.exposure(), fewScans)
    expect(before.tcp4).toEqual([80, 81, 82, 83, 84, 8080, 8081])
    // The machine's own lock may not be ours to take.
    const env = { XTABLES_LOCKFILE: join(drawbridge.state, '..', 'xtables.lock') }
    const restore = (text: string) => gateway.run('iptables-legacy-restore', [], { input: text, env })
    exposed.undoes(() => restore('*filter\n:INPUT ACCEPT\nCOMMIT\n*nat\nCOMMIT\n'))
    await restore(`*nat
-A PREROUTING -p tcp --dport 8083 -j REDIRECT --to-ports 83
COMMIT
*filter
:INPUT DROP
:shop -
-A INPUT -i out0 -p tcp -m multiport --dports 80,82 -j shop
-A INPUT -p tcp --dport 83 -j ACCEPT
-A INPUT -p udp --dport 1000:1001 -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -d ${server.ip}/32 -p tcp --dport 81 -j REJECT
-A shop ! -s 203.0.113.2/32 -j ACCEPT
-A shop -p tcp --dport 82 -j ACCEPT
COMMIT
`)
    const page = await drawbridge.api.exposure()
    const seen = await agree(lab, page, { ...allScans, tcp6: 'none', udp6: 'none' })
    expect(seen.tcp4).toEqual([82, 83, 8080, 8083])
    expect(seen.udp4).toEqual([1000, 1001])
    expect(rules(page, 81)).toContain('blocked by table iptables-legacy filter, chain INPUT, policy')
    expect(rules(page, 82)).toContain('admitted by table iptables-legacy filter, chain shop, rule 2')
    expect(named(page, 'inner')?.rule).toBe('blocked by table iptables-legacy filter, chain FORWARD, rule 1')
    expect(page.warnings).toEqual([])
  },
  3 * minutes,
)

test(
  'rp_filter: sources whose answers would leave elsewhere do not come in, whatever a rule admits',
  async () => {
    const { gateway, client } = lab
    const strict = (on: boolean) =>
      gateway.run('sysctl', ['-qw', `net.ipv4.conf.out0.rp_filter=${on ? 1 : 0}`])
    exposed.undoes(() => strict(false))
    await gateway.run('ip', ['route', 'add', '198.51.100.0/24', 'via', '10.0.0.5'])
    exposed.undoes(() => gateway.run('ip', ['route', 'del', '198.51.100.0/24']))
    await client.run('ip', ['address', 'add', '198.51.100.7/32', 'dev', 'eth0'])
    exposed.undoes(() => client.run('ip', ['address', 'del', '198.51.100.7/32', 'dev', 'eth0']))
    await exposed.loads(
      `table inet hand { chain in { type filter hook input priority 0
        ip saddr 198.51.100.0/24 tcp dport 80 counter accept
        tcp dport 80 drop
      }
      }`,
      'inet hand',
    )
    const arrived = async () =>
      Number(/counter packets (\d+)/.exec(await gateway.run('nft', ['list', 'table', 'inet', 'hand']))?.[1])
    const knock = () => client.asks(gateway.outside, 80, { from: '198.51.100.7' }).catch(() => undefined)
    await knock()
    const before = await arrived()
    expect(before).toBeGreaterThan(0)
    expect(about(await drawbridge.api.exposure(), 80)).toMatchObject([
      { state: 'open', families: [4], from: '198.51.100.0/24' },
      { state: 'closed', families: [6] },
    ])
    await strict(true)
    await knock()
    expect(await arrived()).toBe(before)
    const page = await drawbridge.api.exposure()
    expect(about(page, 80).map(({ state }) => state)).toEqual(['closed', 'closed'])
    // All who are left are still anybody.
    expect(about(page, 81)).toMatchObject([{ state: 'open', from: 'anywhere', anywhere: true }])
    const seen = await agree(lab, page, { ...fewScans, tcp4: everyPort, tcp6: 'none', udp6: 'none' })
    expect(seen.tcp4).toEqual([81, 82, 83, 84])
  },
  4 * minutes,
)

test.runIf(isRoot)(
  'a program of eBPF on the outside (wants root of the machine): nothing is called open for certain, and the page says why',
  async () => {
    const { gateway, server } = lab
    await drawbridge.opens('tcp/8080', server.at(80), { name: 'web' })
    const before = await agree(lab, await drawbridge.api.exposure(), {
      ...fewScans,
      udp4: 'none',
      udp6: 'none',
    })
    expect(before.tcp4).toEqual([80, 81, 82, 83, 84, 8080])
    const script = fileURLToPath(new URL('../lab/programs.ts', import.meta.url))
    const program = gateway.spawn(process.execPath, [script, 'out0'])
    await program.says(/^attached$/m, 20_000)
    exposed.undoes(() => program.end())
    const page = await drawbridge.api.exposure()
    const open = page.exposures.filter(({ state }) => state === 'open')
    expect(open).toEqual([])
    expect(named(page, 'web')).toMatchObject({
      state: 'unread',
      rule: 'cannot be read: an XDP program of out0',
    })
    expect(page.warnings).toEqual([expect.stringMatching(/^an XDP program of out0 sees packets before/)])
    await expect(lab.client.asks(gateway.outside, 80)).rejects.toThrow(/timeout/)
    const { code, stderr } = await drawbridge.cli(['exposure'])
    expect(code).toBe(3)
    expect(stderr).toMatch(/^warning: an XDP program of out0/m)
  },
  2 * minutes,
)

/** A gateway whose outside is a bridge: what its chains, and those of the port below it, let through. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { about, agree } from '../lab/scanning.ts'

let lab: Lab
let drawbridge: Drawbridge

/** The address moves from the port to the bridge. */
const bridging = (addresses: readonly string[]) => [
  'link add br0 type bridge mcast_snooping 0',
  'link set br0 up',
  'address flush dev out0',
  'link set out0 master br0',
  ...addresses.map((one) => `address add ${one} dev br0`),
  'route replace default via 203.0.113.2 dev br0',
  'route replace default via 2001:db8:1::2 dev br0',
]

beforeAll(async () => {
  lab = await startLab()
  const { gateway, server } = lab
  await gateway.run('sysctl', ['-qw', 'net.ipv6.conf.default.accept_dad=0'])
  const addresses = [`${gateway.outside}/24`, `${gateway.outside6}/64 nodad`]
  for (const words of bridging(addresses)) await gateway.run('ip', words.split(' '))
  // The cable has been there for long, but its bridge has to learn that.
  await vi.waitUntil(() => lab.client.pings(gateway.outside), { timeout: 40_000 })
  drawbridge = await startDrawbridge(lab)
  await gateway.answers('tcp', '80-86')
  await gateway.answers('udp', '1000-1001')
  await server.answers('tcp', '80-81')
}, 120_000)
afterAll(() => lab?.close())

const few = '70-90,1000-1010,8070-8090'
const scans = { tcp4: few, tcp6: few, udp4: few, udp6: few, second: 'none' } as const

test('chains of the bridge and of its port, on the way in and on the way of the answer', {
  timeout: 240_000,
}, async () => {
  const { gateway, server } = lab
  await drawbridge.opens('tcp/8080', server.at(80), { name: 'web' })
  await drawbridge.opens('tcp/8081', server.at(81), { name: 'mute' })
  const before = await agree(lab, await drawbridge.api.exposure(), scans)
  expect(before.tcp4).toEqual([80, 81, 82, 83, 84, 85, 86, 8080, 8081])
  await gateway.nft(`
    table netdev walls { chain port { type filter hook ingress device out0 priority 0
      tcp dport 80 drop
    }
    chain upper { type filter hook ingress device br0 priority 0
      tcp dport 81 drop
    }
    }
    table bridge walls {
      chain early { type filter hook prerouting priority 0
        iifname "out0" ip saddr 203.0.113.2 tcp dport 82 drop
        iifname "in0" tcp dport 86 drop
      }
      chain in { type filter hook input priority 0
        ether type ip6 tcp dport 83 drop
        udp dport 1000 drop
      }
      chain out { type filter hook output priority 0
        tcp sport { 84, 8081 } drop
      }
      chain last { type filter hook postrouting priority 0
        oifname "out0" tcp sport 85 drop
      }
    }`)
  const page = await drawbridge.api.exposure()
  const seen = await agree(lab, page, scans)
  expect([seen.tcp4, seen.tcp6]).toEqual([
    [83, 86, 8080],
    [82, 86],
  ])
  expect([seen.udp4, seen.udp6]).toEqual([[1001], [1001]])
  expect(about(page, 81)[0]?.rule).toMatch(/^blocked by table netdev walls, chain upper, rule handle \d+$/)
  expect(page.exposures.find(({ name }) => name === 'mute')?.rule).toMatch(
    /^blocked by table bridge walls, chain out/,
  )
})

/** Beside a real firewalld: it lets translated connections pass by a rule of its own, in both of its backends. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeEnding } from '../../src/model/trace.ts'
import { amount } from '../amount.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { savedRules } from '../lab/saved.ts'
import { type Firewalld, startFirewalld } from '../lab/servers.ts'

/** Debian's default in the sample. */
const backends = (['nftables', 'iptables'] as const).slice(0, amount(1, 2))
const slow = { timeout: 120_000 }
const patient = { timeout: 20_000 }

for (const backend of backends) {
  describe.runIf(isRoot)(`with firewalld, backend ${backend} (wants root of the machine)`, () => {
    let lab: Lab
    let drawbridge: Drawbridge
    let firewall: Firewalld
    const asks = async (address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp') =>
      (await lab.client.asks(address, port, { protocol, timeout: 1000 })).identity
    const eventually = (port: number) =>
      expect.poll(() => asks(lab.gateway.outside, port).catch((error: Error) => error.message), patient)
    const status = async () => (await drawbridge.cli(['status'])).stdout
    const rules = async () =>
      backend === 'nftables'
        ? lab.gateway.run('nft', ['list', 'table', 'inet', 'firewalld'])
        : savedRules(lab.gateway)

    beforeAll(async () => {
      lab = await startLab()
      const { gateway, server } = lab
      for (const protocol of ['tcp', 'udp'] as const) await server.answers(protocol, 80)
      await gateway.run('sh', [
        '-ec',
        'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
      ])
      await lab.client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', gateway.outside])
      expect(await asks(server.ip, 80)).toBe('server')
      firewall = await startFirewalld(lab, gateway, backend)
      drawbridge = await startDrawbridge(lab)
    }, slow.timeout)
    afterAll(() => lab?.close())

    test('a forward passes with no rule of ours in its table, and status says so; nothing else passes', async () => {
      const { gateway, server } = lab
      const before = await rules()
      await drawbridge.opens('tcp+udp/8000', [server.at(80), server.at6(80)], { name: 'web' })
      for (const address of [gateway.outside, gateway.outside6]) {
        for (const protocol of ['tcp', 'udp'] as const)
          expect(await asks(address, 8000, protocol)).toBe('server')
      }
      await expect(asks(server.ip, 80)).rejects.toThrow(/unreachable|refused/)
      await expect(asks(gateway.outside, 8001)).rejects.toThrow(/unreachable|refused/)
      expect(await rules()).toBe(before)
      expect(await status()).toMatch(
        /^firewalld \S+ is active and lets forwarded packets pass; its own rule for translated connections/m,
      )
      expect(await status()).not.toMatch(/conflict/)
    })

    test(
      'zones do not hold for forwards: firewalld lets them pass before it looks at zones',
      slow,
      async () => {
        const { gateway } = lab
        await firewall.runs('--zone=drop', '--change-interface=out0')
        await firewall.runs('--zone=internal', '--change-interface=in0')
        expect(await asks(gateway.outside, 8000)).toBe('server')
        await expect(asks(gateway.outside, 8001)).rejects.toThrow(/timeout/)
      },
    )

    test('over a reload no connection fails, and streams go on', slow, async () => {
      const { client, gateway } = lab
      const held = await client.holds(gateway.outside, 8000)
      // While it loads its rules it drops what is new: a first packet is sent once more.
      const load = await client.loads(gateway.outside, 8000, { every: 20, timeout: 20_000 })
      for (let round = 0; round < 3; round += 1) await firewall.runs('--reload')
      const { asked, failures, longest } = await load.end()
      console.log(
        `firewalld (${backend}) reloaded three times: ${asked} new connections, the slowest took ${Math.round(longest)} ms`,
      )
      expect(failures).toEqual([])
      expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
    })

    test('panic mode drops forwards too, which is what it is for; status says so', slow, async () => {
      const { gateway } = lab
      await firewall.runs('--panic-on')
      await expect(asks(gateway.outside, 8000)).rejects.toThrow(/timeout/)
      await expect
        .poll(status, patient)
        .toMatch(/^firewalld .* \(panic mode\); .* firewall-cmd --panic-off ends it$/m)
      await expect
        .poll(
          async () => describeEnding(await drawbridge.api.trace({ name: 'web', from: '198.51.100.7' })),
          patient,
        )
        .toMatch(/^lost: firewalld drops it in table (inet firewalld|ip raw)/)
      await firewall.runs('--panic-off')
      await eventually(8000).toBe('server')
      await expect.poll(status, patient).toMatch(/^firewalld \S+ is active and lets forwarded packets pass/m)
    })

    test(
      'it is that one rule: without it, as StrictForwardPorts=yes of later versions has it, nothing passes, and it is said',
      slow,
      async () => {
        const { gateway } = lab
        await removeItsRule()
        await expect(asks(gateway.outside, 8000)).rejects.toThrow(/unreachable|refused/)
        await expect
          .poll(status, patient)
          .toMatch(
            /^firewalld \S+ is active and drops forwarded packets \(its last rule drops in table .*StrictForwardPorts=no/m,
          )
        await firewall.runs('--reload')
        await eventually(8000).toBe('server')
      },
    )

    async function removeItsRule(): Promise<void> {
      const { gateway } = lab
      if (backend === 'iptables') {
        const words = ['FORWARD', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED,DNAT', '-j', 'ACCEPT']
        await gateway.run('iptables', ['-D', ...words])
        return
      }
      const chain = ['inet', 'firewalld', 'filter_FORWARD']
      const listed = await gateway.run('nft', ['-a', 'list', 'chain', ...chain])
      const handle = /ct status dnat accept # handle (\d+)/.exec(listed)?.[1] ?? ''
      await gateway.run('nft', ['delete', 'rule', ...chain, 'handle', handle])
    }
  })
}

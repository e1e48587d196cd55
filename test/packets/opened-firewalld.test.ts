/** Services of the gateway itself that are opened, beside a real firewalld. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { amount } from '../amount.ts'
import { asksFrom } from '../lab/asking.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import type { Protocol } from '../lab/inside/protocol.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { savedRules } from '../lab/saved.ts'
import { type Firewalld, startFirewalld } from '../lab/servers.ts'

/** Debian's default in the sample. */
const backends = (['nftables', 'iptables'] as const).slice(0, amount(1, 2))
const slow = { timeout: 120_000 }
const patient = { timeout: 20_000 }
const [office, stranger] = ['203.0.113.2', '203.0.113.3']
const [office6, stranger6] = ['2001:db8:1::2', '2001:db8:1::3']

for (const backend of backends) {
  describe.runIf(isRoot)(`with firewalld, backend ${backend} (wants root of the machine)`, () => {
    let lab: Lab
    let firewall: Firewalld
    let drawbridge: Drawbridge
    /** What firewalld rejects is refused, what we drop is silent. */
    const asks = (port: number, from: string, protocol?: Protocol) => asksFrom(lab, port, from, protocol)
    const eventually = (port: number, from: string) => expect.poll(() => asks(port, from), patient)
    const rules = async () =>
      backend === 'nftables'
        ? lab.gateway.run('nft', ['list', 'table', 'inet', 'firewalld'])
        : savedRules(lab.gateway)
    const rich = async (...scope: readonly string[]) =>
      (await firewall.runs(...scope, '--list-rich-rules')).split('\n').filter((line) => line !== '')
    const opens = () => drawbridge.opens('tcp+udp/5432', 'self:5432', { name: 'pg', from: [office, office6] })
    const status = async () => (await drawbridge.cli(['status'])).stdout

    beforeAll(async () => {
      lab = await startLab()
      const { gateway } = lab
      for (const protocol of ['tcp', 'udp'] as const) await gateway.answers(protocol, 5432)
      await gateway.answers('tcp', 5433)
      expect(await asks(5432, office)).toBe('gateway')
      firewall = await startFirewalld(lab, gateway, backend)
      expect(await asks(5432, office)).toMatch(/unreachable|refused/)
      drawbridge = await startDrawbridge(lab, firewall.under)
    }, slow.timeout)
    afterAll(() => lab?.close())

    test(
      'open: the sources alone reach it, in both families; closed, its ruleset is what it was, to the byte',
      slow,
      async () => {
        const before = await rules()
        // What is for now only stays through all of it.
        await firewall.runs('--add-rich-rule=rule family="ipv4" source address="198.51.100.9" reject')
        const withTheirs = await rules()
        expect(withTheirs).not.toBe(before)
        await opens()
        for (const from of [office, office6]) await eventually(5432, from).toBe('gateway')
        expect(await asks(5432, office, 'udp')).toBe('gateway')
        for (const from of [stranger, stranger6]) expect(await asks(5432, from)).toBe('timeout')
        expect(await asks(5433, office)).toMatch(/unreachable|refused/)
        expect(await rich()).toHaveLength(5)
        await expect.poll(() => rich('--permanent'), patient).toHaveLength(4)
        expect(await status()).toMatch(
          /^firewalld .*it admits services opened here by rich rules of priority 11696/m,
        )
        expect(await status()).not.toMatch(/conflict/)
        await drawbridge.closes('pg')
        await eventually(5432, office).toMatch(/unreachable|refused/)
        await expect.poll(() => rich('--permanent'), patient).toEqual([])
        expect(await rules()).toBe(withTheirs)
      },
    )

    test(
      'its own rules are enough over a reload, with everything of ours dead too; a rule that is taken out is put back',
      slow,
      async () => {
        await opens()
        await firewall.runs('--reload')
        await eventually(5432, office).toBe('gateway')
        await drawbridge.kill9()
        await firewall.runs('--reload')
        await eventually(5432, office).toBe('gateway')
        expect(await asks(5432, stranger)).toBe('timeout')
        await drawbridge.start()
        for (const rule of await rich()) {
          await firewall.runs(`--remove-rich-rule=${rule}`)
          await firewall.runs('--permanent', `--remove-rich-rule=${rule}`)
        }
        await eventually(5432, office).toBe('gateway')
        await expect.poll(() => rich('--permanent'), patient).toHaveLength(4)
        await drawbridge.closes('pg')
      },
    )

    test(
      'zones: the one that an interface moves to has the rules; what a zone rejects, and who is in zone drop, stays out',
      slow,
      async () => {
        await opens()
        await firewall.runs('--zone=internal', '--change-interface=out0')
        await eventually(5432, office).toBe('gateway')
        await firewall.runs(
          '--zone=internal',
          `--add-rich-rule=rule family="ipv4" source address="${office}" reject`,
        )
        expect(await asks(5432, office)).toMatch(/unreachable|refused/)
        expect(await asks(5432, office6)).toBe('gateway')
        await firewall.runs(
          '--zone=internal',
          `--remove-rich-rule=rule family="ipv4" source address="${office}" reject`,
        )
        expect(await asks(5432, office)).toBe('gateway')
        await firewall.runs('--zone=drop', `--add-source=${office}`)
        // Whatever is asked for now, it is asked with the zones as they are.
        await drawbridge.opens('tcp/5433', 'self:5433', { name: 'more', from: stranger })
        await eventually(5433, stranger).toBe('gateway')
        expect(await asks(5432, office)).toBe('timeout')
        expect(await rich('--zone=drop')).toEqual([])
        await firewall.runs('--zone=drop', `--remove-source=${office}`)
        await firewall.runs('--zone=internal', '--remove-interface=out0')
        await eventually(5432, office).toBe('gateway')
        await expect.poll(() => rich('--zone=internal'), patient).toEqual([])
        await drawbridge.api.close({ names: ['pg', 'more'] })
      },
    )

    test(
      'an end, and down --all, take the rules away; what was left while nothing ran goes at the next start',
      slow,
      async () => {
        const soon = new Date(Date.now() + 15_000).toISOString().replace(/\.\d+Z$/, 'Z')
        await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg', from: office, expires: soon })
        await eventually(5432, office).toBe('gateway')
        await expect.poll(() => rich(), patient).not.toContainEqual(expect.stringMatching(/5432/))
        await eventually(5432, office).toMatch(/unreachable|refused/)
        await drawbridge.stop()
        for (const scope of [[], ['--permanent']])
          await firewall.runs(
            ...scope,
            `--add-rich-rule=rule priority="11696" family="ipv4" source address="${office}" port port="5433" protocol="tcp" accept`,
          )
        expect(await asks(5433, office)).toBe('gateway')
        await drawbridge.start()
        await eventually(5433, office).toMatch(/unreachable|refused/)
        await opens()
        await eventually(5432, office).toBe('gateway')
        await drawbridge.cli(['down', '--all'])
        expect(await asks(5432, office)).toMatch(/unreachable|refused/)
        expect(await rich('--permanent')).toEqual([])
      },
    )
  })
}

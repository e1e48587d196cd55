/** Beside firewalls that nobody knows, and files into which others save the rules of everybody. */
import { describe, expect, test } from 'vitest'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { privateEtc } from '../lab/etc.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { savedRules } from '../lab/saved.ts'

const slow = { timeout: 60_000 }
const patient = { timeout: 15_000 }
const asks = async ({ client, gateway }: Lab, port: number) =>
  (
    await client
      .asks(gateway.outside, port, { timeout: 1000 })
      .catch((error: Error) => ({ identity: error.message }))
  ).identity

test.for([
  [
    'a table of nftables with policy drop',
    'nft add table inet filter; nft add chain inet filter forward "{ type filter hook forward priority 0; policy drop; }"; nft add rule inet filter forward ct state established accept',
    /table inet filter, chain forward drops forwarded packets .*\(policy drop\).*: (nft insert rule inet filter forward ct mark and 0xfff00000 == 0x2db00000 accept)$/m,
  ],
  [
    'iptables with a REJECT at the end',
    'iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -A FORWARD -j REJECT',
    /table ip filter, chain FORWARD drops forwarded packets .*\(its last rule drops\).*: (iptables -I FORWARD -m connmark --mark 0x2db00000\/0xfff00000 -j ACCEPT)$/m,
  ],
] as const)(
  '%s: planning, opening and status name the one rule that admits forwards, and it does',
  slow,
  async ([, made, said], t) => {
    const lab = await startLab(t)
    const { gateway, server } = lab
    await server.answers('tcp', 80)
    const drawbridge = await startDrawbridge(lab)
    expect((await drawbridge.cli(['open', 'tcp/8000', server.at(80)])).stderr).toBe('')
    expect(await asks(lab, 8000)).toBe('server')
    await drawbridge.closes('tcp-8000')

    await gateway.run('sh', ['-ec', made])
    const dryRun = () => drawbridge.cli(['open', 'tcp/8000', server.at(80), '--dry-run'])
    await expect.poll(async () => (await dryRun()).stderr, patient).toMatch(said)
    expect((await drawbridge.cli(['status'])).stdout).not.toMatch(/conflict/)
    const opened = await drawbridge.cli(['open', 'tcp/8000', server.at(80)])
    expect(opened.code).toBe(0)
    const rule = said.exec(opened.stderr)?.[1] ?? ''
    expect(await asks(lab, 8000)).toMatch(/timeout|refused/)
    expect((await drawbridge.cli(['status'])).stdout).toMatch(new RegExp(`^conflict: .*${said.source}`, 'm'))

    await gateway.run('sh', ['-ec', rule])
    expect(await asks(lab, 8000)).toBe('server')
    await expect.poll(async () => (await drawbridge.cli(['status'])).stdout, patient).not.toMatch(/conflict/)
  },
)

describe.runIf(isRoot)('what others have saved (wants root of the machine)', () => {
  test(
    'of nftables: a copy that is loaded at boot before us is put right, and told with the remedy; while we run it is refused whole',
    slow,
    async (t) => {
      const lab = await startLab(t)
      const { gateway, server } = lab
      await server.answers('tcp', 80)
      const etc = await privateEtc(lab)
      const drawbridge = await startDrawbridge(lab, etc.under)
      await gateway.nft(
        'table inet filter { chain input { type filter hook input priority 0; tcp dport 9 drop\n}\n}',
      )
      await drawbridge.opens('tcp/8000', server.at(80), { name: 'old' })
      const saved = `#!/usr/sbin/nft -f\nflush ruleset\n${await gateway.run('nft', ['list', 'ruleset'])}`
      await drawbridge.closes('old')
      await drawbridge.opens('tcp/8001', server.at(80), { name: 'new' })
      expect(await asks(lab, 8001)).toBe('server')
      const wanted = await gateway.run('nft', ['list', 'table', 'inet', 'drawbridge'])
      const load = () => gateway.tries('nft', ['-f', '-'], { input: saved })
      const status = async () => (await drawbridge.cli(['status'])).stdout

      await etc.writes('nftables.conf', saved)
      expect(await load()).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/Operation not permitted/),
      })
      expect(await asks(lab, 8001)).toBe('server')
      await gateway.nft('table inet touched')
      await expect
        .poll(status, patient)
        .toMatch(/^conflict: \/etc\/nftables.conf holds a copy of table inet drawbridge_anchor .*: take/m)

      await drawbridge.kill9()
      // The kernel takes the dead agent's anchor away a moment later; at boot there is none.
      await expect.poll(async () => (await load()).stderr, patient).toBe('')
      expect([await asks(lab, 8000), await asks(lab, 8001)]).toEqual([
        'server',
        expect.stringMatching(/refused/),
      ])
      await drawbridge.start()
      expect([await asks(lab, 8000), await asks(lab, 8001)]).toEqual([
        expect.stringMatching(/refused/),
        'server',
      ])
      expect(withoutCounts(await gateway.run('nft', ['list', 'table', 'inet', 'drawbridge']))).toEqual(
        withoutCounts(wanted),
      )
      expect(await gateway.run('nft', ['list', 'table', 'inet', 'filter'])).toMatch(/dport 9 drop/)

      const without = saved.replace(/^table inet drawbridge\w* \{[\s\S]*?^\}\n/gm, '')
      await etc.writes('nftables.conf', without)
      expect(await gateway.tries('nft', ['-f', '-'], { input: without })).toMatchObject({ code: 0 })
      await expect.poll(() => asks(lab, 8001), patient).toBe('server')
      await expect.poll(status, patient).not.toMatch(/conflict/)
    },
  )

  test(
    'of iptables: a restored copy of our rule is not doubled, is told with the remedy, and goes with the last forward',
    slow,
    async (t) => {
      const lab = await startLab(t)
      const { gateway, server } = lab
      await server.answers('tcp', 80)
      await gateway.run('iptables-restore', [new URL('../lab/dockerd.rules', import.meta.url).pathname])
      const before = await savedRules(gateway)
      const etc = await privateEtc(lab)
      const drawbridge = await startDrawbridge(lab, etc.under)
      await drawbridge.opens('tcp/8000', server.at(80), { name: 'web' })
      expect(await asks(lab, 8000)).toBe('server')
      const withUs = await savedRules(gateway)
      // netfilter-persistent save, and restart; its package cannot be installed beside ufw's.
      const saved = await gateway.run('iptables-save')
      await etc.writes('iptables/rules.v4', saved)
      await gateway.run('iptables-restore', [], { input: saved })
      expect(await asks(lab, 8000)).toBe('server')
      const status = async () => (await drawbridge.cli(['status'])).stdout
      await expect
        .poll(status, patient)
        .toMatch(/^conflict: \/etc\/iptables\/rules.v4 holds a copy of a rule .*: take the line/m)
      expect(await savedRules(gateway)).toBe(withUs)

      await drawbridge.closes('web')
      expect(await savedRules(gateway)).toBe(before)
      await gateway.run('iptables-restore', [], { input: saved })
      await expect.poll(() => savedRules(gateway), patient).toBe(before)
      await etc.removes('iptables/rules.v4')
      await gateway.nft('table inet touched')
      await expect.poll(status, patient).not.toMatch(/conflict/)
    },
  )

  test(
    'CloudPanel is known by its package, and told with its own port, which no forward hides unasked',
    slow,
    async (t) => {
      const lab = await startLab(t)
      const etc = await privateEtc(
        lab,
        '\nPackage: cloudpanel\nStatus: install ok installed\nVersion: 2.5.1-1+clp-bookworm\n\n',
      )
      const drawbridge = await startDrawbridge(lab, etc.under)
      await expect
        .poll(async () => (await drawbridge.cli(['status'])).stdout, patient)
        .toMatch(
          /^CloudPanel 2\.5\.1\S* is active and lets forwarded packets pass; its pages are on tcp\/8443/m,
        )
    },
  )
})

const withoutCounts = (listed: string) =>
  listed
    .replace(/packets \d+ bytes \d+/g, '')
    .split('\n')
    .sort()

/** Whom Fail2Ban bans does not come through a forward either, within two seconds, and again when the ban is over. */
import { describe, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Fail2ban, type Jail, startFail2ban } from '../lab/fail2ban.ts'
import { type Lab, startLab } from '../lab/lab.ts'

const [banned, banned6] = ['203.0.113.2', '2001:db8:1::2']
const [other, other6] = ['203.0.113.3', '2001:db8:1::3']
/** The requirement; what is found is printed. */
const soon = 2000

const nftables: readonly Jail[] = [{ name: 'sshd', action: 'nftables[name=sshd, port=22, protocol=tcp]' }]
const iptables: readonly Jail[] = [
  { name: 'sshd', action: 'iptables[name=sshd, type=multiport, port="22,2222", protocol=tcp]' },
]

interface Scene {
  readonly lab: Lab
  readonly drawbridge: Drawbridge
  readonly fail2ban: Fail2ban
}

async function start(t: Parameters<typeof startLab>[0], jails: readonly Jail[]): Promise<Scene> {
  const lab = await startLab(t)
  const drawbridge = await startDrawbridge(lab)
  const fail2ban = await startFail2ban(lab, jails)
  for (const protocol of ['tcp', 'udp'] as const) await lab.server.answers(protocol, 80)
  await lab.gateway.answers('tcp', 9000)
  await drawbridge.opens('tcp+udp/8080', [lab.server.at(80), lab.server.at6(80)], { name: 'web' })
  return { lab, drawbridge, fail2ban }
}

async function arrives({ lab }: Scene, from: string, protocol: 'tcp' | 'udp' = 'tcp'): Promise<boolean> {
  const to = from.includes(':') ? lab.gateway.outside6 : lab.gateway.outside
  return lab.client.asks(to, 8080, { from, protocol, timeout: 150 }).then(
    () => true,
    () => false,
  )
}

/** Milliseconds from the end of `act` until it is so. */
async function until(act: () => Promise<void>, isSo: () => Promise<boolean>): Promise<number> {
  await act()
  const began = performance.now()
  await expect.poll(isSo, { timeout: 15_000, interval: 20 }).toBe(true)
  return Math.round(performance.now() - began)
}

describe.each([
  ['nftables', nftables],
  ['iptables, a chain with a rule for each', iptables],
])('by %s', (name, jails) => {
  test('a ban and its end act on forwards of both families, and on nothing else', async (t) => {
    const scene = await start(t, jails)
    const { lab, drawbridge, fail2ban } = scene
    const took: Record<string, number> = {}
    for (const [from, family] of [
      [banned, 'ipv4'],
      [banned6, 'ipv6'],
    ] as const) {
      for (const protocol of ['tcp', 'udp'] as const) expect(await arrives(scene, from, protocol)).toBe(true)
      const to = from.includes(':') ? lab.gateway.outside6 : lab.gateway.outside
      const held = await lab.client.holds(to, 8080, { from })
      took[`${family} ban`] = await until(
        () => fail2ban.bans('sshd', from),
        async () => !(await arrives(scene, from)),
      )
      expect(await arrives(scene, from, 'udp')).toBe(false)
      // What is established ends with it: nothing more comes back.
      const before = (await held.look()).received
      await new Promise((resolve) => setTimeout(resolve, 500))
      expect((await held.look()).received).toBe(before)
      for (const free of [other, other6]) expect(await arrives(scene, free)).toBe(true)
      // The ban is of port 22: other services of the gateway are none of ours to close.
      expect((await lab.client.asks(to, 9000, { from })).identity).toBe('gateway')
      const said = (await drawbridge.cli(['show', 'web'])).stdout
      expect(said).toMatch(
        new RegExp(
          `^  ${from} is banned by fail2ban \\(sshd\\) since \\d{4}-\\d\\d-\\d\\dT[\\d:]+Z \\(\\d+ packets? dropped\\)$`,
          'm',
        ),
      )
      took[`${family} unban`] = await until(
        () => fail2ban.unbans('sshd', from),
        () => arrives(scene, from),
      )
      await held.end().catch(() => {})
    }
    process.stdout.write(
      `Fail2Ban by ${name}: ${Object.entries(took)
        .map(([what, ms]) => `${what} ${ms} ms`)
        .join(', ')}\n`,
    )
    for (const ms of Object.values(took)) expect(ms).toBeLessThan(soon)
    expect((await drawbridge.cli(['status'])).stdout).not.toContain('banned')
    expect(await lab.gateway.run('nft', ['list', 'table', 'inet', 'drawbridge'])).not.toContain('banned')
  })
})

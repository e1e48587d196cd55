/** Beside several of them at once, the real ones; these are long, so `npm run test:long` alone has them. */
import { describe, expect, test } from 'vitest'
import { amount } from '../amount.ts'
import { type Docker, startDocker } from '../lab/docker.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { startFail2ban } from '../lab/fail2ban.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { savedRules } from '../lab/saved.ts'
import { startFirewalld } from '../lab/servers.ts'
import { startUfw } from '../lab/ufw.ts'

const slow = { timeout: 240_000 }
const patient = { timeout: 30_000 }
const banned = '203.0.113.3'

/** A forward in both families, a container on a published port, and how both are asked for. */
function asking({ client, gateway, server }: Lab, docker: Docker, drawbridge: Drawbridge) {
  const asks = (address: string, from?: string) =>
    client.asks(address, 8000, { timeout: 1000, ...(from && { from }) }).then(
      ({ identity }) => identity,
      (error: Error) => error.message,
    )
  return {
    asks,
    opens: () => drawbridge.opens('tcp/8000', [server.at(80), server.at6(80)], { name: 'web' }),
    passes: async () => {
      for (const address of [gateway.outside, gateway.outside6]) {
        await expect.poll(() => asks(address), patient).toBe('server')
      }
    },
    publishes: () => docker.serves('web', 80, 'container', '--publish', '8080:80'),
    published: () =>
      expect
        .poll(() => client.exchanges(gateway.outside, 8080, '', { halfClose: true }).catch(() => ''), patient)
        .toBe('container\n'),
    restarts: async () => {
      await docker.kill9()
      await docker.start()
      await docker.runs('start', 'web')
    },
    quiet: () =>
      expect
        .poll(async () => (await drawbridge.cli(['status'])).stdout, patient)
        .not.toMatch(/conflict|could not/),
  }
}

/** Programs put their own rules back in another order. */
const sorted = (rules: string) => rules.split('\n').sort()

describe.runIf(isRoot && amount(0, 1) === 1)('at once (in test:long, wants root of the machine)', () => {
  test(
    'firewalld and Docker: a reload, which takes rules of Docker out for a moment, and a restart of dockerd',
    slow,
    async (t) => {
      const lab = await startLab(t)
      await lab.server.answers('tcp', 80)
      const firewall = await startFirewalld(lab, lab.gateway)
      const docker = await startDocker(lab, lab.gateway, [], firewall.env)
      const drawbridge = await startDrawbridge(lab)
      const { opens, passes, publishes, published, restarts, quiet } = asking(lab, docker, drawbridge)
      await publishes()
      await published()
      const before = await savedRules(lab.gateway)
      await opens()
      await passes()
      for (let round = 0; round < 2; round += 1) {
        await firewall.runs('--reload')
        await passes()
        await published()
      }
      await restarts()
      await passes()
      await published()
      await quiet()
      await drawbridge.closes('web')
      expect(sorted(await savedRules(lab.gateway))).toEqual(sorted(before))
    },
  )

  test('ufw, Docker and Fail2Ban: reloads of all, a ban, and nothing left behind', slow, async (t) => {
    const lab = await startLab(t)
    const { gateway } = lab
    await lab.server.answers('tcp', 80)
    const ufw = await startUfw(lab)
    await ufw.runs('enable')
    const docker = await startDocker(lab, gateway)
    const fail2ban = await startFail2ban(lab, [
      { name: 'sshd', action: 'iptables[name=sshd, type=multiport, port="22", protocol=tcp]' },
    ])
    const drawbridge = await startDrawbridge(lab, ufw.under)
    const { asks, opens, passes, publishes, published, restarts, quiet } = asking(lab, docker, drawbridge)
    await publishes()
    await published()
    // What they make at their first ban and reload is not ours.
    await fail2ban.bans('sshd', banned)
    await fail2ban.unbans('sshd', banned)
    await ufw.runs('reload')
    const before = await savedRules(gateway)
    await opens()
    await passes()
    expect(await asks(gateway.outside, banned)).toBe('server')
    await fail2ban.bans('sshd', banned)
    await expect.poll(() => asks(gateway.outside, banned), patient).toMatch(/timeout/)
    await ufw.runs('reload')
    await restarts()
    await passes()
    await published()
    expect(await asks(gateway.outside, banned)).toMatch(/timeout/)
    await fail2ban.unbans('sshd', banned)
    await expect.poll(() => asks(gateway.outside, banned), patient).toBe('server')
    await quiet()
    await drawbridge.closes('web')
    await expect.poll(async () => sorted(await savedRules(gateway)), patient).toEqual(sorted(before))
  })

  test(
    'Drawbridge first and dockerd after it: forwards go on, and dockerd, which finds forwarding of IPv4 on, leaves its policy',
    slow,
    async (t) => {
      const lab = await startLab(t)
      await lab.server.answers('tcp', 80)
      const drawbridge = await startDrawbridge(lab)
      await drawbridge.opens('tcp/8000', [lab.server.at(80), lab.server.at6(80)], { name: 'web' })
      const held = await lab.client.holds(lab.gateway.outside, 8000)
      const docker = await startDocker(lab, lab.gateway)
      const { passes, publishes, published, quiet } = asking(lab, docker, drawbridge)
      await passes()
      await publishes()
      await published()
      await passes()
      await quiet()
      expect(await lab.gateway.run('iptables-save')).not.toMatch(/:FORWARD DROP/)
      expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
    },
  )
})

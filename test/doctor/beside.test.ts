/** Faults that real neighbours make: ufw, Docker's chain for operators, Fail2Ban and CrowdSec; and none where they only are there. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startCrowdSec } from '../lab/crowdsec.ts'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { startFail2ban } from '../lab/fail2ban.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { canRunUfw, startUfw } from '../lab/ufw.ts'
import { asks, look, type Scene, sh, web, worksNow } from './scene.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

const client = { from: '203.0.113.2' }
const works = { works: (scene: Scene) => asks(scene, client) }
let lab: Lab

beforeEach(async () => {
  lab = await startLab()
  await lab.server.answers('tcp', 80)
})
afterEach(() => lab?.close())

async function begun(under: readonly string[] = []): Promise<Scene> {
  const scene: Scene = { lab, drawbridge: await startDrawbridge(lab, under), ends: new Map() }
  await scene.drawbridge.opens(web.listen, web.to, web.wishes)
  return scene
}

async function isHealthy(scene: Scene): Promise<void> {
  await worksNow(scene, works, true, 'it works')
  expect((await look(scene, client)).headline).toBeNull()
  expect((await look(scene)).headline).toBeNull()
}

async function isFound(scene: Scene, code: string, evidence: RegExp): Promise<string> {
  await worksNow(scene, works, false, 'it does not work any more')
  const { headline } = await look(scene, client)
  expect(headline).toMatchObject({ code, evidence: expect.stringMatching(evidence) })
  return headline?.command ?? ''
}

describe.runIf(canRunUfw)('ufw (wants root of the machine)', () => {
  test('a route that ufw denies one client: blocked by ufw, with the text of its rule', async () => {
    const ufw = await startUfw(lab)
    await ufw.runs('enable')
    const scene = await begun(ufw.under)
    await isHealthy(scene)
    await ufw.runs('route', 'deny', 'from', '203.0.113.2')
    expect(
      await isFound(scene, 'blocked', /^ufw drops it in table ip filter, .*-s 203\.0\.113\.2\/32 -j DROP/),
    ).toBe('ufw status numbered')
    await ufw.runs('route', 'delete', 'deny', 'from', '203.0.113.2')
    await isHealthy(scene)
  })
})

test("a rule of the operator's in DOCKER-USER: blocked, and the command takes it away", async () => {
  const rules = new URL('../lab/dockerd.rules', import.meta.url).pathname
  await sh(lab.gateway, `iptables-restore < ${rules}`)
  const scene = await begun()
  await isHealthy(scene)
  await sh(lab.gateway, 'iptables -I DOCKER-USER -s 203.0.113.2/32 -j DROP')
  await sh(lab.gateway, await isFound(scene, 'blocked', /chain DOCKER-USER/))
  await isHealthy(scene)
})

describe('bans', () => {
  test('a ban of Fail2Ban, by whom and since when', async () => {
    const fail2ban = await startFail2ban(lab, [
      { name: 'sshd', action: 'nftables[name=sshd, port=22, protocol=tcp]' },
    ])
    const scene = await begun()
    await isHealthy(scene)
    await fail2ban.bans('sshd', '203.0.113.2')
    expect(await isFound(scene, 'banned', /^203\.0\.113\.2 is banned by fail2ban \(sshd\) since /)).toBe(
      'fail2ban-client set sshd unbanip 203.0.113.2',
    )
    await fail2ban.unbans('sshd', '203.0.113.2')
    await isHealthy(scene)
  })

  test.runIf(isRoot)(
    'a decision of CrowdSec (wants root of the machine), held by its firewall bouncer',
    async () => {
      const crowdsec = await startCrowdSec(lab)
      await crowdsec.startBouncer('nftables')
      const scene = await begun()
      await isHealthy(scene)
      await crowdsec.cscli('decisions', 'add', '--ip', '203.0.113.2', '--duration', '4h')
      expect(await isFound(scene, 'banned', /^203\.0\.113\.2 is banned by crowdsec/)).toBe(
        'cscli decisions delete --ip 203.0.113.2',
      )
      await crowdsec.cscli('decisions', 'delete', '--ip', '203.0.113.2')
      await isHealthy(scene)
    },
  )
})

/** Whom CrowdSec has banned does not come through a forward: what its bouncer holds in the kernel acts there too. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { startCrowdSec } from '../lab/crowdsec.ts'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'

/** Programs of others start and end as they like. */
vi.setConfig({ testTimeout: 120_000 })

/** The requirement, from when the bouncer has told the kernel. */
const soon = 2000

const arrives = (lab: Lab, from: string) =>
  lab.client
    .asks(from.includes(':') ? lab.gateway.outside6 : lab.gateway.outside, 8080, { from, timeout: 150 })
    .then(
      () => true,
      () => false,
    )

/** Whether the bouncer's set has the address. */
async function isListed({ gateway }: Lab, address: string): Promise<boolean> {
  const [family, table, set] = address.includes(':')
    ? ['ip6', 'crowdsec6', 'crowdsec6-blacklists']
    : ['ip', 'crowdsec', 'crowdsec-blacklists']
  const { code } = await gateway.tries('nft', ['get', 'element', family, table, set, `{ ${address} }`])
  return code === 0
}

async function timed(isSo: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  await expect.poll(isSo, { timeout: 15_000, interval: 20 }).toBe(true)
  return Math.round(performance.now() - began)
}

test.runIf(isRoot)(
  'a decision (wants root of the machine) acts on forwards while the firewall bouncer has it, and ends with it or when its time is over',
  async (t) => {
    const lab = await startLab(t)
    const drawbridge = await startDrawbridge(lab)
    const crowdsec = await startCrowdSec(lab)
    await crowdsec.startBouncer('nftables')
    await lab.server.answers('tcp', 80)
    await drawbridge.opens('tcp/8080', [lab.server.at(80), lab.server.at6(80)], { name: 'web' })
    const took: string[] = []
    for (const [banned, other] of [
      ['203.0.113.2', '203.0.113.3'],
      ['2001:db8:1::2', '2001:db8:1::3'],
    ] as const) {
      expect(await arrives(lab, banned)).toBe(true)
      await crowdsec.cscli('decisions', 'add', '--ip', banned, '--duration', '1h')
      await expect.poll(() => isListed(lab, banned), { timeout: 15_000 }).toBe(true)
      const ban = await timed(async () => !(await arrives(lab, banned)))
      expect(await arrives(lab, other)).toBe(true)
      expect((await drawbridge.cli(['show', 'web'])).stdout).toContain(
        `${banned} is banned by crowdsec since `,
      )
      await crowdsec.cscli('decisions', 'delete', '--ip', banned)
      await expect.poll(() => isListed(lab, banned), { timeout: 15_000 }).toBe(false)
      const end = await timed(() => arrives(lab, banned))
      took.push(`${banned} ban ${ban} ms, end ${end} ms`)
      for (const one of [ban, end]) expect(one).toBeLessThan(soon)
    }
    // Of this end the kernel tells nobody.
    const [brief] = lab.client.addresses
    await crowdsec.cscli('decisions', 'add', '--ip', brief ?? '', '--duration', '6s')
    await expect.poll(() => isListed(lab, brief ?? ''), { timeout: 15_000 }).toBe(true)
    await timed(async () => !(await arrives(lab, brief ?? '')))
    await expect.poll(() => isListed(lab, brief ?? ''), { timeout: 15_000 }).toBe(false)
    const end = await timed(() => arrives(lab, brief ?? ''))
    expect(end).toBeLessThan(soon)
    process.stdout.write(`CrowdSec's bouncer: ${took.join(', ')}, after its time ${end} ms\n`)

    const rules = () => lab.gateway.run('nft', ['-s', 'list', 'table', 'ip', 'crowdsec'])
    await crowdsec.cscli('decisions', 'add', '--ip', brief ?? '', '--duration', '1h')
    await timed(async () => !(await arrives(lab, brief ?? '')))
    const before = (await rules()).replace(/expires \S+/g, '')
    expect((await drawbridge.cli(['down', '--all'])).code).toBe(0)
    expect((await rules()).replace(/expires \S+/g, '')).toBe(before)
  },
)

test.runIf(isRoot)(
  'a network in the ipset of the firewall bouncer (wants root of the machine) is kept out as a whole, and nobody beside it',
  async (t) => {
    const lab = await startLab(t)
    const drawbridge = await startDrawbridge(lab)
    const crowdsec = await startCrowdSec(lab)
    await crowdsec.startBouncer('iptables')
    await lab.server.answers('tcp', 80)
    await drawbridge.opens('tcp/8080', lab.server.at(80), { name: 'web' })
    const [inside, outside] = [['203.0.113.2', '203.0.113.3'], '203.0.113.4'] as const
    for (const one of inside) expect(await arrives(lab, one)).toBe(true)
    await crowdsec.cscli('decisions', 'add', '--range', '203.0.113.0/30', '--duration', '1h')
    for (const one of inside) await timed(async () => !(await arrives(lab, one)))
    expect(await arrives(lab, outside)).toBe(true)
    expect((await drawbridge.cli(['status'])).stdout).toContain('203.0.113.0/30 is banned by crowdsec since ')
    await crowdsec.cscli('decisions', 'delete', '--range', '203.0.113.0/30')
    for (const one of inside) await timed(() => arrives(lab, one))
  },
)

test.runIf(isRoot)(
  'as a bouncer of its local API (wants root of the machine) Drawbridge keeps out whom it has banned, also over ends of each of them',
  async (t) => {
    const lab = await startLab(t)
    const crowdsec = await startCrowdSec(lab)
    const directory = await mkdtemp(join(tmpdir(), 'key-'))
    lab.defer(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'crowdsec.key')
    // Only root can read it; the controller is not root when it runs.
    await writeFile(file, `${await crowdsec.addBouncer('drawbridge')}\n`, { mode: 0o600 })
    const words = ['--crowdsec-key', file, '--crowdsec-url', crowdsec.url]
    const drawbridge = await startDrawbridge(lab, [], words)
    await lab.server.answers('tcp', 80)
    await drawbridge.opens('tcp/8080', [lab.server.at(80), lab.server.at6(80)], { name: 'web' })
    const took: number[] = []
    for (const [how, value, banned, other] of [
      ['--ip', '203.0.113.2', '203.0.113.2', '203.0.113.3'],
      ['--ip', '2001:db8:1::2', '2001:db8:1::2', '2001:db8:1::3'],
      ['--range', '203.0.113.0/30', '203.0.113.3', '203.0.113.4'],
    ] as const) {
      expect(await arrives(lab, banned)).toBe(true)
      await crowdsec.cscli('decisions', 'add', how, value, '--duration', '1h')
      took.push(await timed(async () => !(await arrives(lab, banned))))
      expect(await arrives(lab, other)).toBe(true)
      expect((await drawbridge.cli(['show', 'web'])).stdout).toContain(
        `${value} is banned by crowdsec since `,
      )
      await crowdsec.cscli('decisions', 'delete', how, value)
      took.push(await timed(() => arrives(lab, banned)))
    }
    process.stdout.write(`CrowdSec's local API: bans and ends act after ${took.join(', ')} ms\n`)
    for (const one of took) expect(one).toBeLessThan(soon)

    const [banned, other] = ['203.0.113.2', '203.0.113.3']
    await crowdsec.cscli('decisions', 'add', '--ip', banned, '--duration', '1h')
    await timed(async () => !(await arrives(lab, banned)))
    for (const part of ['agent', 'controller'] as const) {
      await drawbridge.kill9(part)
      await expect.poll(async () => (await drawbridge.cli(['status'])).code, { timeout: 20_000 }).toBe(0)
      expect(await arrives(lab, banned)).toBe(false)
      expect(await arrives(lab, other)).toBe(true)
    }
    await crowdsec.restart()
    expect(await arrives(lab, banned)).toBe(false)
    await crowdsec.cscli('decisions', 'delete', '--ip', banned)
    await timed(() => arrives(lab, banned))
  },
)

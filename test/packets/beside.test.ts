/** What was there before a forward, and what becomes of it: services of the gateway, DNAT of others, its own questions. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { alone } from '../lab/root.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  for (const host of [lab.server, lab.other]) {
    for (const protocol of ['tcp', 'udp'] as const) await host.answers(protocol, 80)
  }
})
afterAll(() => lab?.close())

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const answering = async (port: number) => (await lab.client.asks(lab.gateway.outside, port)).identity
const conflicts = async () => (await drawbridge.api.status(0)).conflicts
const about = async (name: string) =>
  (await conflicts()).filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}:`))

/** A service as one runs: under a user of its own or, where there is no other, without privilege. */
const service = alone
  ? { user: 'root', flags: ['--bounding-set', '-all', '--inh-caps', '-all'] }
  : { user: 'daemon', flags: ['--reuid', '1', '--clear-groups'] }

describe('a service of the gateway that a forward would hide', () => {
  test('is hidden only when that is said; the sentence says whose it is and what happens to it', async () => {
    const { gateway, server } = lab
    const serving = gateway.spawn('setpriv', [...service.flags, 'nc', '-lk', '0.0.0.0', '8005'])
    await expect.poll(() => gateway.listens('tcp', 8005), { timeout: 10_000 }).toBe(true)
    const said = new RegExp(
      `would hide nc \\(process \\d+( of [\\w.-]+)?, user ${service.user}\\), which serves tcp port 8005 here: new connections would go to 10\\.0\\.0\\.5:80 instead; those there are now go on`,
    )
    const refused = await drawbridge.cli(['open', 'tcp/8005', server.at(80)])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(said)
    expect(refused.stderr).toContain(`process ${serving.pid}`)
    const planned = await drawbridge.cli(['open', 'tcp/8005', server.at(80), '--take-over', '--dry-run'])
    expect(planned.stderr).toMatch(new RegExp(`^warning: tcp-8005 ${said.source}`))
    expect(await answering(8005).catch((error: Error) => error.message)).not.toBe('server')
    const taken = await drawbridge.cli(['open', 'tcp/8005', server.at(80), '--take-over'])
    expect(taken.stderr).toMatch(
      /^warning: tcp-8005 hides nc .* new connections go to 10\.0\.0\.5:80 instead;/,
    )
    expect(await answering(8005)).toBe('server')
    expect((await drawbridge.cli(['status'])).stdout).toMatch(/^conflict: tcp-8005 hides nc \(/m)
    await serving.end()
    await expect.poll(() => about('tcp-8005')).toEqual([])
  })

  test('stands in a plan: as what it would be refused for, with what is warned of', async () => {
    const { gateway } = lab
    await gateway.answers('tcp', 8006)
    await gateway.nft(
      'table ip planned { chain pre { type nat hook prerouting priority dstnat; tcp dport 8007 redirect\n}\n}',
    )
    const forwards = [8006, 8007].map((port) => ({ listen: `tcp/${port}`, to: lab.server.at(80) }))
    const input = JSON.stringify({ version: 1, forwards })
    const { code, stdout, stderr } = await drawbridge.cli(['plan', '-f', '-'], { input })
    expect(code).toBe(2)
    expect(`${stdout}${stderr}`).toMatch(/tcp\/8006 would hide .*, which serves tcp port 8006 here/)
    expect(`${stdout}${stderr}`).toMatch(
      /tcp-8007: tcp\/8007 is also forwarded to this machine itself by another/,
    )
    await gateway.nft('delete table ip planned')
  })

  test('is not asked about where it is on another protocol, loopback or address; enabling asks again', async () => {
    const { gateway, server } = lab
    await gateway.answers('tcp', 8020)
    await gateway.answers('udp', 8021, { address: '127.0.0.1' })
    await gateway.answers('tcp', 8022, { address: gateway.outside })
    for (const harmless of ['udp/8020', 'udp/8021', `tcp/8022@${gateway.second}`]) {
      expect(await drawbridge.opens(harmless, server.at(80))).toMatchObject({
        changed: true,
        plan: { warnings: [] },
      })
    }
    expect((await drawbridge.cli(['open', 'tcp/8020', server.at(80), '--take-over'])).code).toBe(0)
    expect(await answering(8020)).toBe('server')
    expect((await drawbridge.cli(['disable', 'tcp-8020'])).code).toBe(0)
    expect((await drawbridge.cli(['enable', 'tcp-8020'])).code).toBe(2)
  })

  test('with others of the same user: the first is named, the others by their ports', async () => {
    const { gateway, server } = lab
    await gateway.answers('udp', '8030-8040')
    const { plan } = await drawbridge.opens('udp/8030-8040', server.at(8030), { takeOver: true })
    expect(plan.warnings).toEqual([
      expect.stringMatching(
        /^udp-8030-8040 hides .*, which serves udp port 80\d\d here, and 10 more of that user's services \(udp 80\d\d, .*, …\): datagrams go to the target instead/,
      ),
    ])
  })

  test('by TCP: new connections go to the target, those it has go on', async () => {
    const { client, gateway, server } = lab
    await gateway.answers('tcp', 8000)
    const held = await client.holds(gateway.outside, 8000)
    expect(held.answer.identity).toBe('gateway')
    await drawbridge.opens('tcp/8000', server.at(80), { takeOver: true })
    expect(await answering(8000)).toBe('server')
    await pause(300)
    expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
  })

  test('by TCP, a connection that is older than connection tracking: it ends with its next packet', async () => {
    const { client, gateway, server } = lab
    await gateway.answers('tcp', 8001)
    const held = await client.holds(gateway.outside, 8001, { every: 3000 })
    await drawbridge.opens('tcp/8001', server.at(80), { takeOver: true })
    await gateway.run('conntrack', ['-D', '-p', 'tcp', '--orig-port-dst', '8001'])
    await expect.poll(async () => (await held.look()).end, { timeout: 10_000 }).toBe('reset')
  })

  test('by UDP: also those it answers now go to the target', async () => {
    const { client, gateway, server } = lab
    await gateway.answers('udp', 8002)
    // Seldom, so that no answer is on its way when its connection is ended: that would make it known from the other side.
    const held = await client.holds(gateway.outside, 8002, { protocol: 'udp', every: 1000 })
    expect(held.answer.identity).toBe('gateway')
    const {
      plan: { warnings },
    } = await drawbridge.opens('udp/8002', server.at(80), { takeOver: true })
    expect(warnings.join()).toMatch(/datagrams go to 10\.0\.0\.5:80 instead, also those of clients/)
    await expect.poll(async () => (await held.look()).identities.at(-1), { timeout: 5000 }).toBe('server')
  })

  test('with sources: whoever the forward does not name is dropped, and does not reach the service either', async () => {
    const { client, gateway, server } = lab
    await gateway.answers('tcp', 8003)
    expect(await answering(8003)).toBe('gateway')
    const wishes = { takeOver: true, from: '203.0.113.3' }
    const {
      plan: { warnings },
    } = await drawbridge.opens('tcp/8003', server.at(80), wishes)
    expect(warnings.join()).toMatch(
      /go to 10\.0\.0\.5:80 instead from the sources that the forward admits, and are dropped from all others/,
    )
    expect((await client.asks(gateway.outside, 8003, { from: '203.0.113.3' })).identity).toBe('server')
    await expect(client.asks(gateway.outside, 8003)).rejects.toThrow(/timeout/)
    expect((await gateway.asks('127.0.0.1', 8003)).identity).toBe('gateway')
  })
})

describe('a rule of another program for the same port', () => {
  const hand = (priority: string, port: number) =>
    `table ip hand${port} { chain pre { type nat hook prerouting priority ${priority}; tcp dport ${port} dnat to ${lab.other.at(80)}\n}\n}`

  test('at the usual place: it worked, the forward takes over, and what it has goes on', async () => {
    await drawbridge.opens('tcp/8199', lab.server.at(80))
    await lab.gateway.nft(hand('dstnat', 8100))
    const held = await lab.client.holds(lab.gateway.outside, 8100)
    expect(held.answer.identity).toBe('other')
    const {
      plan: { warnings },
    } = await drawbridge.opens('tcp/8100', lab.server.at(80))
    expect(warnings).toEqual([
      expect.stringMatching(
        /^tcp-8100: tcp\/8100 is also forwarded to 10\.0\.0\.6:80 by another program \(table ip hand8100, chain pre, rule handle \d+\), whose chain comes after ours: new connections go to 10\.0\.0\.5:80, and those it has now go on$/,
      ),
    ])
    expect(await answering(8100)).toBe('server')
    await pause(300)
    expect(await held.end()).toMatchObject({ end: 'held', inOrder: true, identities: ['other'] })
  })

  test('at an earlier place: the forward never sees a packet', async () => {
    await lab.gateway.nft(hand('-150', 8101))
    await lab.gateway.nft(hand('dstnat', 8101).replace('hand', 'behind'))
    const {
      plan: { warnings },
    } = await drawbridge.opens('tcp/8101', lab.server.at(80))
    // Nor does it take any from the rule behind it, so of that one nothing is said.
    expect(warnings).toEqual([
      expect.stringMatching(/comes before ours: it takes the packets, and this forward never sees them$/),
    ])
    expect(await answering(8101)).toBe('other')
  })

  test('at our place: whoever was loaded last, so it is theirs now and would be ours after a repair', async () => {
    await drawbridge.opens('tcp/8102', lab.server.at(80))
    expect(await answering(8102)).toBe('server')
    await lab.gateway.nft(hand('-105', 8102))
    expect(await answering(8102)).toBe('other')
    await expect
      .poll(() => about('tcp-8102'))
      .toEqual([
        expect.stringMatching(/stands where ours does: whichever was loaded last takes the packets$/),
      ])
  })

  test('that comes and goes while nobody asks is a conflict, then none', async () => {
    await drawbridge.opens('tcp+udp/8103', lab.server.at(80))
    expect(await about('tcp-udp-8103')).toEqual([])
    await lab.gateway.nft(
      'table inet late { chain pre { type nat hook prerouting priority dstnat; ip saddr 198.51.100.9 udp dport 8100-8200 redirect to :53\n}\n}',
    )
    await expect
      .poll(() => about('tcp-udp-8103'))
      .toEqual([
        expect.stringMatching(
          /udp\/8103 may also be forwarded \(its rule has conditions that cannot be read\) to port 53 of this machine itself/,
        ),
      ])
    await lab.gateway.nft('delete table inet late')
    await expect.poll(() => about('tcp-udp-8103')).toEqual([])
  })

  test('of Docker is told as Docker’s, with the container it leads to', async () => {
    const rules = readFileSync(new URL('../lab/dockerd.rules', import.meta.url), 'utf8')
    await lab.gateway.run('iptables-nft-restore', [], { input: rules })
    const planned = await drawbridge.cli(['open', 'tcp/8080', lab.server.at(80), '--dry-run'])
    expect(planned.stderr).toMatch(
      /^warning: tcp-8080: tcp\/8080 is also forwarded to 172\.17\.0\.2:80 by Docker \(table ip nat, chain DOCKER, rule handle \d+\), whose chain comes after ours: new connections would go to 10\.0\.0\.5:80, and those it has now go on$/m,
    )
    // Published to loopback only: no forward ever takes that.
    expect((await drawbridge.opens('tcp/9000', lab.server.at(80))).plan.warnings).toEqual([])
    // Docker drops what others forward.
    await lab.gateway.nft('delete table ip filter; delete table ip nat')
  })
})

describe('a port that the gateway takes for its own questions', () => {
  test.each(['tcp', 'udp'] as const)('by %s: what it has asked is answered to it', async (protocol) => {
    const { client, gateway, server } = lab
    await client.answers(protocol, 90)
    const held = await gateway.holds(client.ip, 90, { protocol, fromPort: 40000 })
    const {
      plan: { warnings },
    } = await drawbridge.opens(`${protocol}/40000-40001`, server.at('=80'), {
      takeOver: true,
    })
    await pause(300)
    expect(await held.end()).toMatchObject({ end: 'held', inOrder: true, identities: ['client'] })
    expect((await gateway.asks(client.ip, 90, { protocol, fromPort: 40001 })).identity).toBe('client')
    expect((await client.asks(gateway.outside, 40001, { protocol })).identity).toBe('server')
    expect(warnings.filter((one) => one.includes('questions')).length).toBe(protocol === 'udp' ? 1 : 0)
  })

  test('by UDP: a late answer, or one of another host, goes to the target; reserved ports are no such ports', async () => {
    const { client, gateway, server } = lab
    const asked = { protocol: 'udp', fromPort: 40002, timeout: 300 } as const
    const answers = { protocol: 'udp', fromPort: 91, timeout: 300 } as const
    const opened = await drawbridge.opens('udp/40002-40003', server.at(80))
    expect(opened.plan.warnings.join()).toMatch(
      /udp\/40002-40003 are some of the ports that this machine takes for its own questions: .* keep them free with net\.ipv4\.ip_local_reserved_ports = 40002-40003$/,
    )
    await client.answers('udp', 92)
    await gateway.asks(client.ip, 92, { ...asked, timeout: 2000 })
    // Nobody is at the client's port 91, so the question stays open in the kernel.
    await expect(gateway.asks(client.ip, 91, asked)).rejects.toThrow()
    await expect(client.asks(gateway.outside, 40002, answers)).rejects.toThrow()
    await gateway.run('conntrack', ['-D', '-p', 'udp', '--orig-port-src', '40002'])
    expect((await client.asks(gateway.outside, 40002, { ...answers, timeout: 2000 })).identity).toBe('server')
    await gateway.run('sysctl', ['-qw', 'net.ipv4.ip_local_reserved_ports=40000-40009'])
    expect((await drawbridge.opens('udp/40004', server.at(80))).plan.warnings).toEqual([])
    expect((await conflicts()).filter((line) => line.includes('questions'))).toEqual([])
  })
})

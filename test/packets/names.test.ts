/** Targets by name, with a real name server: what is new goes where the name leads now, and what is established stays. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { agentAt } from '../../src/agent/client.ts'
import { startDnsmasq } from '../lab/dns.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { privateEtc } from '../lab/etc.ts'
import { type Lab, startLab } from '../lab/lab.ts'

vi.setConfig({ testTimeout: 120_000 })

interface Finishing {
  onTestFinished(work: () => Promise<void>): void
}

/** The gateway asks the dnsmasq that runs on it; both machines inside answer on 80. */
async function startScene(t: Finishing, hosts: string, options: { ttl?: number; lines?: string[] } = {}) {
  const lab = await startLab(t)
  const etc = await privateEtc(lab)
  await etc.writes('resolv.conf', 'search lan.example.org\nnameserver 127.0.0.1\n')
  const dns = await startDnsmasq({ address: '127.0.0.1', hosts, ...options }, (command, args) =>
    lab.gateway.spawn(command, args),
  )
  lab.defer(() => dns.end())
  for (const host of [lab.server, lab.other]) await host.answers('tcp', 80)
  const drawbridge = await startDrawbridge(lab, etc.under)
  return { lab, dns, drawbridge }
}

async function served(lab: Lab, port = 8080, address = lab.gateway.outside): Promise<string> {
  const answer = await lab.client.asks(address, port, { timeout: 1000 }).catch((error: Error) => error)
  return answer instanceof Error ? answer.message.replace(/.*: /, '') : answer.identity
}

const goesTo = (lab: Lab, who: string, port?: number, address?: string) =>
  expect.poll(() => served(lab, port, address), { timeout: 20_000, interval: 20 }).toBe(who)

const generation = async ({ api }: Drawbridge) => (await api.status(0)).generation

test('new connections follow the name within a second after its TTL ran out, established ones stay, and it is no generation', async (t) => {
  const { lab, dns, drawbridge } = await startScene(
    t,
    '10.0.0.5 app.example.org\nfd00::5 app.example.org\n',
    { ttl: 2 },
  )
  const opened = await drawbridge.cli(['open', 'tcp/8080', 'app.example.org:80', '--name', 'web'])
  expect(opened).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('app.example.org -> 10.0.0.5, fd00::5 (ttl 2 s)'),
  })
  expect(await served(lab)).toBe('server')
  expect(await served(lab, 8080, lab.gateway.outside6)).toBe('server')
  const held = await lab.client.holds(lab.gateway.outside, 8080)
  const before = await generation(drawbridge)
  const took: number[] = []
  for (const [who, end] of [
    ['other', 6],
    ['server', 5],
    ['other', 6],
  ] as const) {
    await dns.says(`10.0.0.${end} app.example.org\nfd00::${end} app.example.org\n`)
    const began = performance.now()
    await goesTo(lab, who)
    took.push(Math.round(performance.now() - began))
    await goesTo(lab, who, 8080, lab.gateway.outside6)
  }
  process.stdout.write(`a name with TTL 2 s that was changed acted after ${took.join(', ')} ms\n`)
  for (const one of took) expect(one).toBeLessThan(3000)
  expect(await generation(drawbridge)).toBe(before)
  expect(await held.end()).toMatchObject({ end: 'held', inOrder: true, identities: ['server'] })
  expect(drawbridge.output()).toMatch(
    /"drawbridge":\{"name":\{"name":"app\.example\.org","leads":\["10\.0\.0\.6","fd00::6"\].*"before":\["10\.0\.0\.5","fd00::5"\]/,
  )
  expect((await drawbridge.cli(['show', 'web'])).stdout).toContain(
    'app.example.org -> 10.0.0.6, fd00::6 (ttl 2 s)',
  )
})

test('when the server dies, and everything of ours with it, what the name led to last goes on, and status says so', async (t) => {
  const { lab, dns, drawbridge } = await startScene(t, '10.0.0.6 app.example.org\n')
  await drawbridge.opens('tcp/8080', 'app.example.org:80', { name: 'web' })
  await goesTo(lab, 'other')
  const file = join(drawbridge.state, 'store', 'names.json')
  const kept = () => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return ''
    }
  }
  await expect.poll(kept, { timeout: 20_000 }).toContain('10.0.0.6')
  await dns.kill9()
  const said = async () => (await drawbridge.cli(['status'])).stdout
  await expect
    .poll(said, { timeout: 30_000 })
    .toMatch(
      /name: app\.example\.org -> 10\.0\.0\.6, kept as of .*: no answer \(connection refused from 127\.0\.0\.1\) since /,
    )
  expect(await served(lab)).toBe('other')
  const table = () => lab.gateway.run('nft', ['-s', 'list', 'table', 'inet', 'drawbridge'])
  const before = await table()
  expect(before).toContain('10.0.0.6 . 80')
  await drawbridge.kill9()
  await drawbridge.start()
  expect(await table()).toBe(before)
  expect(await served(lab)).toBe('other')
  await expect.poll(said, { timeout: 20_000 }).toContain('app.example.org -> 10.0.0.6, kept as of ')
  // The boot file has what the name led to: before anything of ours runs, it is in force again.
  expect(readFileSync(join(drawbridge.state, 'agent', 'boot.nft'), 'utf8')).toContain('10.0.0.6 . 80')
  await dns.says('10.0.0.5 app.example.org\n').catch(() => {})
  await dns.start()
  await goesTo(lab, 'server')
})

test('a name that leads nowhere yet is a warning, and the forward works as soon as it leads somewhere', async (t) => {
  const { lab, dns, drawbridge } = await startScene(t, '')
  const opened = await drawbridge.cli(['open', 'tcp/8080', 'app.example.org:80', '--name', 'web'])
  expect(opened.code).toBe(0)
  expect(opened.stderr).toContain('web: app.example.org leads nowhere yet: there is no such name since')
  expect(await served(lab)).not.toBe('server')
  await dns.says('10.0.0.5 app.example.org\n')
  await goesTo(lab, 'server')
  // Gone again, it is kept, and told.
  await dns.says('10.0.0.6 other.example.org\n')
  await expect
    .poll(async () => (await drawbridge.cli(['show', 'web'])).stdout, { timeout: 20_000 })
    .toMatch(/app\.example\.org -> 10\.0\.0\.5, kept as of .*: there is no such name since /)
  expect(await served(lab)).toBe('server')
})

test('a name that loses a family is refused in that family, and UDP clients move with the name', async (t) => {
  const { lab, dns, drawbridge } = await startScene(t, '10.0.0.5 app.example.org\nfd00::5 app.example.org\n')
  for (const host of [lab.server, lab.other]) await host.answers('udp', 80)
  await drawbridge.opens('tcp+udp/8080', 'app.example.org:80', { name: 'web' })
  await goesTo(lab, 'server')
  await goesTo(lab, 'server', 8080, lab.gateway.outside6)
  const held = await lab.client.holds(lab.gateway.outside6, 8080, { protocol: 'udp' })
  await dns.says('fd00::6 app.example.org\n')
  await goesTo(lab, 'other', 8080, lab.gateway.outside6)
  await expect.poll(() => served(lab), { timeout: 20_000 }).toBe('refused')
  await expect.poll(async () => (await held.look()).identities, { timeout: 20_000 }).toContain('other')
  await held.end()
})

test('a plan says where the name leads, and changes nothing', async (t) => {
  const { lab, drawbridge } = await startScene(t, '10.0.0.5 app.example.org short.lan.example.org\n')
  const plan = await drawbridge.cli(['open', 'tcp/8080', 'App.Example.ORG.:80', '--dry-run'])
  expect(plan.stdout).toContain('app.example.org -> 10.0.0.5 (ttl 1 s)')
  const words = await drawbridge.cli(['open', 'tcp/8080', 'app.example.org:80', '--dry-run', '-o', 'json'])
  expect(JSON.parse(words.stdout).plan.nft).toContain('10.0.0.5 . 80')
  expect(await served(lab)).not.toBe('server')
  const short = await drawbridge.cli(['open', 'tcp/8080', 'short:80', '--dry-run'])
  expect(short.stdout).toContain('short -> 10.0.0.5 (ttl 1 s)')
  const letters = await drawbridge.cli(['open', 'tcp/8080', 'b\u00fccher.example.org:80', '--dry-run'])
  expect(letters).toMatchObject({ code: 2, stderr: expect.stringContaining('xn--bcher-kva.example.org') })
})

test('an answer that leads to the gateway, to loopback or to link-local is not taken, neither by the controller nor by the agent', async (t) => {
  const { lab, dns, drawbridge } = await startScene(t, '10.0.0.5 app.example.org\n')
  await lab.gateway.answers('tcp', 80)
  await drawbridge.opens('tcp/8080', 'app.example.org:80', { name: 'web' })
  await goesTo(lab, 'server')
  for (const [address, why] of [
    [lab.gateway.inside, 'it is an address of this gateway'],
    ['127.0.0.1', 'a loopback address'],
    ['169.254.169.254', 'a link-local address'],
  ]) {
    await dns.says(`${address} app.example.org\n`)
    await expect
      .poll(async () => (await drawbridge.cli(['show', 'web'])).stdout, { timeout: 20_000 })
      .toContain(`"${address}" is not used: ${why}`)
    expect(await served(lab)).toBe('server')
  }
  const agent = agentAt(join(drawbridge.state, 'run', 'agent', 'agent.sock'))
  lab.defer(async () => agent.close())
  await dns.kill9()
  const bad = [
    lab.gateway.inside,
    lab.gateway.outside,
    '127.0.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '224.0.0.1',
    '0.0.0.0',
    'nonsense',
  ]
  const at = [...bad, '10.0.0.6'].map((address) => ({ address }))
  await agent.ask({ verb: 'locate', located: [{ name: 'app.example.org', at }] })
  const table = await lab.gateway.run('nft', ['list', 'table', 'inet', 'drawbridge'])
  expect(table).toContain('10.0.0.6 . 80')
  for (const address of bad) expect(table).not.toContain(`${address} . 80`)
  expect(await served(lab)).toBe('other')
})

test('an SRV name leads to the ports of its services, by their weights', async (t) => {
  const { lab, drawbridge } = await startScene(t, '10.0.0.5 one.example.org\n10.0.0.6 two.example.org\n', {
    lines: [
      'srv-host=_http._tcp.example.org,one.example.org,8081,0,3',
      'srv-host=_http._tcp.example.org,two.example.org,8082,0,1',
      'srv-host=_http._tcp.example.org,three.example.org,8083,1,1',
    ],
  })
  await lab.server.answers('tcp', 8081)
  await lab.other.answers('tcp', 8082)
  const opened = await drawbridge.cli(['open', 'tcp/8080', 'srv:_http._tcp.example.org', '--name', 'web'])
  expect(opened.stderr).toBe('')
  expect(opened.stdout).toContain('srv:_http._tcp.example.org -> 10.0.0.5:8081, 10.0.0.6:8082')
  const counts = { server: 0, other: 0 }
  for (let asked = 0; asked < 200; asked += 1) counts[(await served(lab)) as 'server' | 'other'] += 1
  expect(counts.server + counts.other).toBe(200)
  // Three quarters, to within five standard deviations of a fair coin of that weight.
  expect(Math.abs(counts.server - 150)).toBeLessThan(31)
})

test('a hundred addresses come by TCP, and all of them are the pool', async (t) => {
  const many = Array.from({ length: 98 }, (_, at) => `10.0.1.${at + 1} many.example.org\n`).join('')
  const { lab, drawbridge } = await startScene(
    t,
    `${many}10.0.0.5 many.example.org\n10.0.0.6 many.example.org\n`,
  )
  const byTcp = await lab.gateway.watches('tcp dport 53')
  await drawbridge.opens('tcp/8080', 'many.example.org:80', { name: 'web' })
  expect(await byTcp.count()).toBeGreaterThan(0)
  const table = await lab.gateway.run('nft', ['list', 'map', 'inet', 'drawbridge', 'members4'])
  expect(table.match(/ : 10\./g)).toHaveLength(100)
})

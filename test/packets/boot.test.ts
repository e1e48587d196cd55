/** A reboot: a fresh network with the same state directory, first without Node, then with the daemons. */
import { lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { connect } from '../../src/api/client.ts'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

const restore = fileURLToPath(new URL('../../bin/drawbridge-restore', import.meta.url))
const launcher = fileURLToPath(new URL('../../bin/drawbridge', import.meta.url))

/** A lab whose Drawbridge has run, changed its mind a few times and is gone; gives its state directory. */
async function former(lab: Lab) {
  const drawbridge = await startDrawbridge(lab)
  await drawbridge.opens('tcp/8000', lab.server.at(80), { from: ['203.0.113.2'] })
  await drawbridge.opens('tcp/8001', [lab.server.at(80), lab.server.at6(80)])
  await drawbridge.opens('tcp/8002', lab.server.at(80))
  await drawbridge.closes('tcp-8002')
  await drawbridge.opens('tcp/8003', lab.server.at(80))
  return drawbridge
}

test('the restored kernel forwards, guards and refuses as before, and the agent takes it over without a word', async (t) => {
  const before = await startLab(t)
  const { state, kill9 } = await former(before)
  await kill9()
  const lab = await startLab(t)
  const { client, gateway, server } = lab
  await server.answers('tcp', '80-81')
  await expect(client.asks(gateway.outside, 8001)).rejects.toThrow(/refused/)
  expect(await gateway.run(restore, ['--state', state])).toMatch(
    /^drawbridge: restored generation 5, forwards ipv4 ipv6/,
  )
  await gateway.run(restore, ['--state', state])
  // Before the network is up most interfaces are yet to come.
  await gateway.run('ip', ['link', 'add', 'late', 'type', 'veth', 'peer', 'later'])
  expect(await gateway.run('sysctl', ['-n', 'net.ipv6.conf.late.accept_ra'])).toBe('2\n')

  for (const port of [8000, 8001, 8003])
    expect((await client.asks(gateway.outside, port)).identity).toBe('server')
  expect((await client.asks(gateway.outside6, 8001)).identity).toBe('server')
  await expect(client.asks(gateway.outside, 8002)).rejects.toThrow(/refused/)
  await expect(client.asks(gateway.outside, 8000, { from: '203.0.113.3', timeout: 400 })).rejects.toThrow(
    /timeout/,
  )
  await client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', gateway.outside])
  await expect(client.asks(server.ip, 81, { timeout: 400 })).rejects.toThrow(/timeout/)

  const held = await client.holds(gateway.outside, 8001)
  const monitor = gateway.spawn('nft', ['monitor'])
  const up = gateway.spawn(launcher, ['up', '--state', state])
  await up.says(/^drawbridge: ready$/m, 10_000)
  await monitor.end()
  expect(monitor.output().replaceAll(/^.*(drawbridge_anchor|new generation).*$\n?/gm, '')).toBe('')
  expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
})

test('a change on trial is not restored, one that was confirmed is', async (t) => {
  const before = await startLab(t)
  const drawbridge = await startDrawbridge(before)
  await drawbridge.opens('tcp/8000', before.server.at(80))
  await drawbridge.api.open({ forward: { listen: 'tcp/8001', to: before.server.at(80) }, confirm: 600 })
  await drawbridge.api.confirm()
  await drawbridge.api.open({ forward: { listen: 'tcp/8002', to: before.server.at(80) }, confirm: 600 })
  await expect
    .poll(() => readFileSync(join(drawbridge.state, 'agent', 'boot.nft'), 'utf8'))
    .toMatch(/end of generation 2,/)
  await drawbridge.kill9()
  const lab = await startLab(t)
  await lab.server.answers('tcp', 80)
  await lab.gateway.run(restore, ['--state', drawbridge.state])
  for (const port of [8000, 8001])
    expect((await lab.client.asks(lab.gateway.outside, port)).identity).toBe('server')
  await expect(lab.client.asks(lab.gateway.outside, 8002)).rejects.toThrow(/refused/)
})

/** Trials end in a reboot, however much of their window is left. */
test('a reboot within the window: the confirmed state, from the boot file and from the daemons alike', async (t) => {
  const before = await startLab(t)
  const first = await startDrawbridge(before)
  await first.opens('tcp/8000', before.server.at(80), { name: 'web' })
  await first.api.apply({
    gateway: {
      version: 1,
      forwards: [
        { name: 'web', listen: 'tcp/8000', to: before.other.at(80) },
        { name: 'six', listen: 'tcp/8001', to: before.server.at6(80) },
      ],
    },
    confirm: 600,
  })
  expect(await forwardingOf(before)).toEqual({ ipv4: '1', ipv6: '1' })
  await first.kill9()

  const lab = await startLab(t)
  const { client, gateway, server, other } = lab
  await server.answers('tcp', 80)
  await other.answers('tcp', 80)
  expect(await forwardingOf(lab)).toEqual({ ipv4: '0', ipv6: '0' })
  await gateway.run(restore, ['--state', first.state])
  /** Asks again and again, so that what shows for a moment only shows. */
  const seen = new Set<string>()
  let over = false
  const asking = (async () => {
    while (!over) {
      seen.add((await client.asks(gateway.outside, 8000)).identity)
      seen.add(
        await client.asks(gateway.outside6, 8001).then(
          () => 'six',
          () => 'no six',
        ),
      )
    }
  })()
  const up = gateway.spawn(launcher, ['up', '--state', first.state])
  await up.says(/^drawbridge: ready$/m, 15_000)
  over = true
  await asking
  expect([...seen].sort()).toEqual(['no six', 'server'])
  expect(await forwardingOf(lab)).toEqual({ ipv4: '1', ipv6: '0' })
  const [last] = await connect(join(first.state, 'run', 'api', 'api.sock')).history(0, 1)
  expect(last).toMatchObject({ how: 'revert', actor: 'drawbridge' })
})

async function forwardingOf({ gateway }: Lab): Promise<{ ipv4: string; ipv6: string }> {
  const read = async (path: string) => (await gateway.run('cat', [`/proc/sys/net/${path}`])).trim()
  return { ipv4: await read('ipv4/ip_forward'), ipv6: await read('ipv6/conf/all/forwarding') }
}

test('a torn, an unreadable and a missing boot file', async (t) => {
  const before = await startLab(t)
  const { state, kill9 } = await former(before)
  await kill9()
  const lab = await startLab(t)
  await lab.server.answers('tcp', 80)
  const file = join(state, 'agent', 'boot.nft')
  const whole = readFileSync(file, 'utf8')
  // Torn in the seal itself: the change before it is the last one that is whole.
  const restoredFrom = async (text: string) => {
    writeFileSync(file, text)
    return Number(/generation (\d+),/.exec(await lab.gateway.run(restore, ['--state', state]))?.[1])
  }
  const newest = await restoredFrom(whole)
  for (const torn of [whole.slice(0, -2), whole.slice(0, -70), whole.slice(0, -90)])
    expect(await restoredFrom(torn)).toBe(newest - 1)
  expect(await restoredFrom(whole.slice(0, -1))).toBe(newest)

  writeFileSync(file, `${whole}add element inet drawbridge openings { ipv4 . tcp`)
  await lab.gateway.run(restore, ['--state', state])
  expect((await lab.client.asks(lab.gateway.outside, 8003)).identity).toBe('server')
  const ruleset = await lab.gateway.run('nft', ['list', 'ruleset'])

  writeFileSync(file, whole.slice(0, 200))
  const broken = await lab.gateway.tries(restore, ['--state', state])
  expect([broken.code, broken.stderr]).toEqual([1, expect.stringMatching(/holds no whole state/)])
  writeFileSync(file, whole.replace('tcp . 8003', 'tcp . nonsense'))
  expect((await lab.gateway.tries(restore, ['--state', state])).code).not.toBe(0)
  expect(await lab.gateway.run('nft', ['list', 'ruleset'])).toBe(ruleset)
  expect((await lab.gateway.tries(restore, ['--state', join(state, 'nowhere')])).code).toBe(0)
})

test('a bit that the disk has turned: nothing of the file is believed, and export says so', async (t) => {
  const before = await startLab(t)
  const drawbridge = await startDrawbridge(before)
  await drawbridge.opens('tcp/8000', before.server.at(80))
  await drawbridge.opens('tcp/8001', before.server.at(80))
  await drawbridge.kill9()
  const lab = await startLab(t)
  const { gateway } = lab
  const file = join(drawbridge.state, 'agent', 'boot.nft')
  const whole = readFileSync(file, 'utf8')
  const turns = [
    // Still a ruleset that nft takes, with another target, another opening or one line less.
    whole.replace(/10\.0\.0\.5 \. 80 \}/, '10.0.0.6 . 80 }'),
    whole.replace('tcp . 8001', 'tcp . 9001'),
    whole.replace(/^add element .*8001.*\n/m, ''),
  ]
  for (const turned of turns) {
    expect(turned).not.toBe(whole)
    writeFileSync(file, turned)
    const refused = await gateway.tries(restore, ['--state', drawbridge.state])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/is damaged/)])
    expect(await gateway.run('nft', ['list', 'tables'])).toBe('')
    const exported = await drawbridge.cli(['export', '--last-good'])
    expect([exported.code, exported.stderr]).toEqual([0, expect.stringMatching(/not what was written/)])
  }
  writeFileSync(file, whole)
  expect((await gateway.tries(restore, ['--state', drawbridge.state])).code).toBe(0)
  expect((await drawbridge.cli(['export', '--last-good'])).stderr).toBe('')
})

test('a directory or a link where the boot file should be: the forwards are in force, and the status says what is missing', async (t) => {
  const lab = await startLab(t)
  await lab.server.answers('tcp', 80)
  const drawbridge = await startDrawbridge(lab)
  const file = join(drawbridge.state, 'agent', 'boot.nft')
  rmSync(file, { force: true })
  mkdirSync(join(file, 'something'), { recursive: true })
  await drawbridge.restart()
  await drawbridge.opens('tcp/8000', lab.server.at(80))
  expect((await lab.client.asks(lab.gateway.outside, 8000)).identity).toBe('server')
  const status = await drawbridge.api.status(0)
  expect(status.problem).toMatchObject({ code: 'boot-file' })
  expect((await lab.gateway.tries(restore, ['--state', drawbridge.state])).code).toBe(1)
  rmSync(file, { recursive: true })
  // It is written by itself once it can be.
  await expect.poll(async () => (await drawbridge.api.status(0)).problem, { timeout: 10_000 }).toBeNull()
  // A link is replaced, and what it leads to is not written.
  const elsewhere = join(drawbridge.state, 'elsewhere')
  writeFileSync(elsewhere, 'mine')
  rmSync(file)
  symlinkSync(elsewhere, file)
  await drawbridge.restart()
  await drawbridge.opens('tcp/8001', lab.server.at(80))
  expect(readFileSync(elsewhere, 'utf8')).toBe('mine')
  expect(lstatSync(file).isFile()).toBe(true)
})

test('what has expired before the boot is not opened by it, what has not is', async (t) => {
  const before = await startLab(t)
  const drawbridge = await startDrawbridge(before)
  const after = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
  await drawbridge.opens('tcp/8000', before.server.at(80), { expires: after(3) })
  await drawbridge.opens('tcp/8001', before.server.at(80), { expires: after(600) })
  await drawbridge.opens('tcp/8002', before.server.at(80))
  await drawbridge.opens('tcp/8003', before.server.at(80), { name: 'later' })
  const later = { name: 'later', listen: 'tcp/8003', to: before.server.at(80), expires: after(3) }
  await drawbridge.api.apply({ gateway: { version: 1, forwards: [later] } })
  await drawbridge.kill9()
  await new Promise((resolve) => setTimeout(resolve, 4000))
  const lab = await startLab(t)
  await lab.server.answers('tcp', 80)
  await lab.gateway.run(restore, ['--state', drawbridge.state])
  for (const port of [8001, 8002])
    expect((await lab.client.asks(lab.gateway.outside, port)).identity).toBe('server')
  for (const port of [8000, 8003])
    await expect(lab.client.asks(lab.gateway.outside, port)).rejects.toThrow(/refused/)
})

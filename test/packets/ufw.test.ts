/** Beside a real ufw, whose forward policy is drop: forwards pass, nothing else does, and nothing of ours stays behind. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { canRunUfw, startUfw, type Ufw } from '../lab/ufw.ts'

const ourRule = [
  ...['-m', 'connmark', '--mark', '0x2db00000/0xfff00000'],
  ...['-m', 'comment', '--comment', 'drawbridge', '-j', 'ACCEPT'],
]

describe.runIf(canRunUfw)('with ufw active (wants root of the machine)', () => {
  let lab: Lab
  let ufw: Ufw
  let drawbridge: Drawbridge
  const files = () =>
    ['after.rules', 'after6.rules', 'before.rules', 'user.rules', 'ufw.conf'].map((name) => {
      const path = join(ufw.etc, name)
      return `${name} ${statSync(path).mode.toString(8)}\n${readFileSync(path, 'utf8')}`
    })
  /** Everything of iptables, without counters. */
  const rules = async () => {
    const saved = await Promise.all(
      ['iptables-save', 'ip6tables-save'].map((program) => lab.gateway.run(program)),
    )
    return saved
      .join('')
      .replace(/^#.*\n/gm, '')
      .replace(/\[\d+:\d+\]/g, '')
  }
  const asks = (port: number) => lab.client.asks(lab.gateway.outside, port, { timeout: 1000 })
  const answered = async (port: number) => (await asks(port)).identity

  beforeAll(async () => {
    lab = await startLab()
    ufw = await startUfw(lab)
    await lab.server.answers('tcp', 80)
    await lab.server.answers('udp', 80)
    await ufw.runs('enable')
    drawbridge = await startDrawbridge(lab, ufw.under)
  })
  afterAll(() => lab?.close())

  test('a forward passes in both families, and ufw stays readable; without our rule it would not; without a forward nothing of ours is there', async () => {
    const { client, gateway, server } = lab
    const before = { files: files(), rules: await rules() }
    await drawbridge.opens('tcp+udp/8000', [server.at(80), server.at6(80)], { name: 'web' })
    expect(await answered(8000)).toBe('server')
    expect((await client.asks(gateway.outside, 8000, { protocol: 'udp' })).identity).toBe('server')
    expect((await client.asks(gateway.outside6, 8000)).identity).toBe('server')
    expect(await ufw.runs('status', 'verbose')).toMatch(/Status: active[\s\S]*deny \(routed\)/)
    const status = await drawbridge.cli(['status'])
    expect(status.stdout).toMatch(
      /ufw .* is active and drops forwarded packets \(policy drop of table ip filter, chain FORWARD .*\); connections of forwards are let through in ufw-after-forward/,
    )

    await gateway.run('iptables', ['-D', 'ufw-after-forward', ...ourRule])
    await expect
      .poll(rules, { timeout: 5000 })
      .toMatch(/-A ufw-after-forward .* --comment drawbridge -j ACCEPT/)

    await drawbridge.closes('web')
    expect(files()).toEqual(before.files)
    expect(await rules()).toBe(before.rules)
    await expect(asks(8000)).rejects.toThrow(/timeout/)
  })

  test('what nobody has forwarded stays shut: ports of the gateway, and the network behind it', async () => {
    const { client, gateway, server } = lab
    await gateway.answers('tcp', 9000)
    await drawbridge.opens('tcp/8001', server.at(80), { name: 'one' })
    expect(await answered(8001)).toBe('server')
    await expect(asks(9000)).rejects.toThrow(/timeout/)
    await client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', gateway.outside])
    await expect(client.asks(server.ip, 80, { timeout: 1000 })).rejects.toThrow(/timeout/)
    await client.run('ip', ['route', 'del', '10.0.0.0/24'])
  })

  test('what the operator denies in ufw is denied to forwards too, and to nobody else', async () => {
    const { gateway } = lab
    expect(await answered(8001)).toBe('server')
    await ufw.runs('route', 'deny', 'from', '203.0.113.2')
    await expect(asks(8001)).rejects.toThrow(/timeout/)
    await drawbridge.kill9()
    await drawbridge.start()
    await expect(asks(8001)).rejects.toThrow(/timeout/)
    const other = await lab.client.asks(gateway.outside, 8001, { from: '203.0.113.3' })
    expect(other.identity).toBe('server')
    await ufw.runs('route', 'delete', 'deny', 'from', '203.0.113.2')
    expect(await answered(8001)).toBe('server')
  })

  test('another mark leaves no rule for the old one behind', async () => {
    const marked = (mark: string) =>
      expect.stringContaining(`-A ufw-after-forward -m connmark --mark ${mark}`)
    const sets = async (mark: string) =>
      drawbridge.cli(['apply', '-f', '-', '--confirm', '0'], {
        input: JSON.stringify({
          version: 1,
          mark,
          forwards: [{ name: 'one', listen: 'tcp/8001', to: lab.server.at(80) }],
        }),
      })
    expect((await sets('0x1ab00000/0xfff00000')).code).toBe(0)
    expect(await rules()).toEqual(marked('0x1ab00000/0xfff00000'))
    expect(await rules()).not.toEqual(marked('0x2db00000/0xfff00000'))
    expect(await answered(8001)).toBe('server')
    expect((await sets('0x2db00000/0xfff00000')).code).toBe(0)
    expect(await rules()).not.toEqual(marked('0x1ab00000/0xfff00000'))
    expect(await answered(8001)).toBe('server')
  })

  test('a Drawbridge of another network with the same files neither writes nor clears them', async ({
    onTestFinished,
  }) => {
    const elsewhere = await startLab({ onTestFinished })
    const written = files()
    expect(written.join()).toContain('drawbridge')
    const there = await startDrawbridge(elsewhere, ufw.under)
    await there.opens('tcp/8002', elsewhere.server.at(80), { name: 'there' })
    expect((await there.cli(['status'])).stdout).not.toMatch(/^ufw .* is active/m)
    await there.closes('there')
    await there.cli(['down', '--all'])
    expect(files()).toEqual(written)
  })

  test('a file of somebody else is left as it is, and status says so', async () => {
    const path = join(ufw.etc, 'after.rules')
    const before = files()
    await lab.gateway.run('chown', ['1', path])
    await drawbridge.closes('one')
    expect(readFileSync(path, 'utf8')).toContain('drawbridge')
    expect((await drawbridge.cli(['status'])).stdout).toMatch(/after\.rules belongs to user 1/)
    await lab.gateway.run('chown', ['0', path])
    await drawbridge.opens('tcp/8001', lab.server.at(80), { name: 'one' })
    expect(await answered(8001)).toBe('server')
    expect(files()).toEqual(before)
  })

  test.for([
    ['reload', ['reload']],
    ['disable and enable', ['disable'], ['enable']],
    ['reset, which puts its own files back, and enable', ['reset'], ['enable']],
    [
      'what a panel does: reset, its own rules, enable',
      ['reset'],
      ['default', 'deny', 'incoming'],
      ['allow', '22/tcp'],
      ['enable'],
    ],
    ['a rule more', ['allow', '9001/tcp']],
  ] as const)('%s: the forward passes after it, and a held stream lives on', async ([, ...commands]) => {
    const { client, gateway } = lab
    const held = await client.holds(gateway.outside, 8001)
    for (const command of commands) await ufw.runs(...command)
    await expect.poll(() => answered(8001).catch(() => ''), { timeout: 10_000 }).toBe('server')
    await expect
      .poll(async () => (await drawbridge.api.status(0)).neighbours[0], { timeout: 10_000 })
      .toMatchObject({
        name: 'ufw',
        active: true,
        trouble: '',
        through: expect.stringMatching(/ufw-after-forward/),
      })
    // As it would be after a boot without us: the file alone lets it through.
    expect(readFileSync(join(ufw.etc, 'after.rules'), 'utf8')).toMatch(
      /^-A ufw-after-forward -m connmark --mark 0x2db00000/m,
    )
    expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
  })

  test('after a reload the file alone is enough: with the agent dead nothing is missing', async () => {
    await drawbridge.kill9()
    await ufw.runs('reload')
    expect(await answered(8001)).toBe('server')
    await lab.gateway.run('iptables', ['-D', 'ufw-after-forward', ...ourRule])
    await expect(asks(8001)).rejects.toThrow(/timeout/)
    await drawbridge.start()
    await expect.poll(() => answered(8001).catch(() => ''), { timeout: 5000 }).toBe('server')
  })

  test('down --all leaves ufw as it was, to the byte; with ufw off nothing is written to the kernel or its files', async () => {
    const withUs = files()
    await drawbridge.cli(['down', '--all'])
    expect(withUs.join()).toContain('drawbridge')
    expect(files().join()).not.toContain('drawbridge')
    expect(await rules()).not.toContain('drawbridge')
    await ufw.runs('disable')
    await drawbridge.start()
    expect(await answered(8001)).toBe('server')
    expect(await rules()).not.toContain('drawbridge')
    expect(files().join()).not.toContain('drawbridge')
    expect((await drawbridge.api.status(0)).neighbours[0]).toMatchObject({ name: 'ufw', active: false })
    expect((await drawbridge.cli(['status'])).stdout).not.toMatch(/ufw/)
  })
})

/** Services of the gateway itself that are opened, beside a real ufw whose input policy is deny. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { amount } from '../amount.ts'
import { asksFrom } from '../lab/asking.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import type { Protocol } from '../lab/inside/protocol.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { savedRules } from '../lab/saved.ts'
import { canRunUfw, startUfw, type Ufw } from '../lab/ufw.ts'

const patient = { timeout: 20_000 }
const office = '203.0.113.2'
const stranger = '203.0.113.3'
const office6 = '2001:db8:1::2'
const stranger6 = '2001:db8:1::3'

const ruleOf = (from: string) => ['proto', 'tcp', 'from', from, 'to', 'any', 'port', '5432']

describe.runIf(canRunUfw)('with ufw active (wants root of the machine)', () => {
  let lab: Lab
  let ufw: Ufw
  let drawbridge: Drawbridge
  const asks = (port: number, from: string, protocol?: Protocol) => asksFrom(lab, port, from, protocol)
  const eventually = (port: number, from: string) => expect.poll(() => asks(port, from), patient)
  const tuples = () =>
    ['user.rules', 'user6.rules']
      .flatMap((name) => readFileSync(join(ufw.etc, name), 'utf8').match(/^### tuple ###.*$/gm) ?? [])
      .map((line) => line.replace('### tuple ### ', ''))
  const files = () => ['user.rules', 'user6.rules'].map((name) => readFileSync(join(ufw.etc, name), 'utf8'))
  const status = async () => (await drawbridge.cli(['status'])).stdout

  beforeAll(async () => {
    lab = await startLab()
    const { gateway } = lab
    ufw = await startUfw(lab)
    for (const port of [5432, 5433, 5434]) await gateway.answers('tcp', port)
    await gateway.answers('udp', 5432)
    await gateway.answers('tcp', 6379, { address: '127.0.0.1' })
    expect(await asks(5432, office)).toBe('gateway')
    await ufw.runs('allow', '22/tcp')
    await ufw.runs('enable')
    // ufw loads rules of its own for IPv6 with its first reload only.
    await ufw.runs('reload')
    expect(await asks(5432, office)).toBe('timeout')
    drawbridge = await startDrawbridge(lab, ufw.under)
  }, 60_000)
  afterAll(() => lab?.close())

  test('open: the sources alone reach it, in both families; ufw status shows the rule by its name; closed, nothing is left', async () => {
    const before = { files: files(), rules: await savedRules(lab.gateway) }
    const opened = await drawbridge.opens('tcp+udp/5432', 'self:5432', {
      name: 'pg',
      from: [office, office6],
    })
    expect(opened.warnings).toEqual([])
    expect(await asks(5432, office)).toBe('gateway')
    expect(await asks(5432, office6)).toBe('gateway')
    expect(await asks(5432, office, 'udp')).toBe('gateway')
    expect(await asks(5432, stranger)).toBe('timeout')
    expect(await asks(5432, stranger6)).toBe('timeout')
    expect(await asks(5433, office)).toBe('timeout')
    expect(await ufw.runs('status')).toMatch(/^5432\/tcp +ALLOW +203\.0\.113\.2 +# drawbridge: pg$/m)
    expect(await status()).toMatch(
      /^ufw .*it admits services opened here by rules with the comment "drawbridge: NAME"/m,
    )
    expect(await status()).not.toMatch(/conflict/)
    const { exposures } = await drawbridge.api.exposure()
    expect(exposures.find(({ name }) => name === 'pg')).toMatchObject({
      state: 'open',
      rule: expect.stringMatching(/admitted by ufw/),
    })
    await drawbridge.closes('pg')
    expect(await asks(5432, office)).toBe('timeout')
    expect(files()).toEqual(before.files)
    expect(await savedRules(lab.gateway)).toBe(before.rules)
  })

  test.for(
    (
      [
        [
          'what a panel does: all rules anew, its own',
          ['reset'],
          ['default', 'deny', 'incoming'],
          ['allow', '22/tcp'],
          ['allow', 'proto', 'tcp', 'from', '198.51.100.7', 'to', 'any', 'port', '3306'],
          ['enable'],
        ],
        ['our rule deleted by hand', ['delete', 'allow', ...ruleOf(office)]],
        ['reload', ['reload']],
        ['disable and enable', ['disable'], ['enable']],
        ['reset and enable', ['reset'], ['enable']],
        ['a rule more of the operator', ['allow', '9001/tcp']],
      ] as const
    ).slice(0, amount(3, 6)),
  )('%s: it is open after it, to its sources alone', { timeout: 120_000 }, async ([what, ...commands]) => {
    await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg', from: [office, office6] })
    expect(await asks(5432, office)).toBe('gateway')
    for (const command of commands) await ufw.runs(...command)
    const began = performance.now()
    await eventually(5432, office).toBe('gateway')
    console.log(`open again ${Math.round(performance.now() - began)} ms after: ${what}`)
    await eventually(5432, office6).toBe('gateway')
    expect(await asks(5432, stranger)).toBe('timeout')
    expect(await asks(5433, office)).toBe('timeout')
    await drawbridge.closes('pg')
    expect(await asks(5432, office)).toBe('timeout')
    expect(tuples().join()).not.toMatch(/5432/)
  })

  test('a list is followed, switching off and a lockdown take the rules away, and each comes back', async () => {
    const lists = (...entries: readonly string[]) =>
      drawbridge.api.apply({
        gateway: {
          version: 1,
          lists: { staff: [...entries] },
          forwards: [{ name: 'pg', listen: 'tcp/5432', to: 'self:5432', from: 'staff' }],
        },
        confirm: 0,
      })
    const sources = () => tuples().flatMap((line) => /^allow tcp 5432 \S+ any (\S+)/.exec(line)?.[1] ?? [])
    await lists(office, '198.51.100.0/24', '198.51.100.7')
    // What lies in another needs no rule.
    expect(sources().sort()).toEqual(['198.51.100.0/24', office])
    expect(await asks(5432, stranger)).toBe('timeout')
    await lists(stranger)
    expect(sources()).toEqual([stranger])
    expect([await asks(5432, stranger), await asks(5432, office)]).toEqual(['gateway', 'timeout'])
    await drawbridge.api.disable({ names: ['pg'] })
    expect(sources()).toEqual([])
    await drawbridge.api.enable({ names: ['pg'] })
    expect(await asks(5432, stranger)).toBe('gateway')
    await drawbridge.cli(['lockdown'])
    expect(sources()).toEqual([])
    expect(await asks(5432, stranger)).toBe('timeout')
    await drawbridge.cli(['lockdown', '--lift'])
    expect(await asks(5432, stranger)).toBe('gateway')
    await drawbridge.closes('pg')
  })

  test('more sources than ufw is to bear are none in ufw, which is said; never a rule from anywhere', async () => {
    const many = Array.from({ length: 70 }, (_, at) => `198.51.100.${at * 2}`)
    const { warnings } = await drawbridge.opens('tcp/5432', 'self:5432', {
      name: 'pg',
      from: [office, ...many],
    })
    const said = /pg is not admitted by ufw: it needs 71 rules, and 64 are the most/
    expect(warnings.join('\n')).toMatch(said)
    expect(await status()).toMatch(said)
    expect(tuples()).toHaveLength(tuples().filter((line) => !line.includes('5432')).length)
    expect(await asks(5432, office)).toBe('timeout')
    await drawbridge.closes('pg')
    expect(await status()).not.toMatch(/conflict/)
  })

  test("the operator's own rules stay theirs: the same one is enough and stays, a contrary one holds and is told", async () => {
    const words = ['proto', 'tcp', 'from', office, 'to', 'any', 'port', '5433']
    await ufw.runs('allow', ...words, 'comment', 'of the operator')
    const before = files()
    await drawbridge.opens('tcp/5433', 'self:5433', { name: 'own', from: office })
    expect(files()).toEqual(before)
    await drawbridge.closes('own')
    expect(files()).toEqual(before)
    expect(await asks(5433, office)).toBe('gateway')
    await ufw.runs('delete', 'allow', ...words)

    await ufw.runs('deny', ...words)
    const denied = files()
    const { warnings } = await drawbridge.opens('tcp/5433', 'self:5433', { name: 'own', from: office })
    expect(warnings.join('\n')).toMatch(/own is not admitted by ufw: a rule of yours says deny to the same/)
    expect(await status()).toMatch(
      /^conflict: own: no connection over IPv4 arrives, as it is blocked by ufw/m,
    )
    expect(files()).toEqual(denied)
    // Taken away by its owner, nothing is in the way any more.
    await ufw.runs('delete', 'deny', ...words)
    await eventually(5433, office).toBe('gateway')
    await drawbridge.closes('own')
    expect(tuples().join()).not.toMatch(/5433/)
  })

  test('one address, or one interface, is all that is opened, and a port beyond them is not', async () => {
    const { client, gateway } = lab
    await drawbridge.opens(`tcp/5432@${gateway.outside}`, 'self:5432', { name: 'at', from: office })
    await drawbridge.opens('tcp/5433%out0', 'self:5433', { name: 'on', from: office })
    expect(tuples().filter((line) => line.includes('comment'))).toEqual([
      expect.stringMatching(`^allow tcp 5432 ${gateway.outside} any ${office} in comment`),
      expect.stringMatching(`^allow tcp 5433 0.0.0.0/0 any ${office} in_out0 comment`),
    ])
    expect([await asks(5432, office), await asks(5433, office)]).toEqual(['gateway', 'gateway'])
    await expect(client.asks(gateway.second, 5432, { from: office, timeout: 500 })).rejects.toThrow(/timeout/)
    await drawbridge.api.close({ names: ['at', 'on'] })
  })

  test('an end, and a trial that nobody confirms, take the rule away', { timeout: 120_000 }, async () => {
    const soon = new Date(Date.now() + 4000).toISOString().replace(/\.\d+Z$/, 'Z')
    await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg', from: office, expires: soon })
    expect(tuples().join()).toMatch(/5432/)
    await expect.poll(() => tuples().join(), patient).not.toMatch(/5432/)
    await eventually(5432, office).toBe('timeout')

    const forwards = [{ name: 'pg', listen: 'tcp/5432', to: 'self:5432', from: office }]
    await drawbridge.api.apply({ gateway: { version: 1, forwards }, confirm: 3 })
    expect(await asks(5432, office)).toBe('gateway')
    await expect.poll(() => tuples().join(), patient).not.toMatch(/5432/)
    await eventually(5432, office).toBe('timeout')
  })

  test('after a death of everything: the rule is there meanwhile, and goes with what was closed before', async () => {
    await drawbridge.opens('tcp/5432', 'self:5432', { name: 'pg', from: office })
    await drawbridge.kill9()
    expect(await asks(5432, office)).toBe('gateway')
    expect(await asks(5432, stranger)).toBe('timeout')
    await ufw.runs(
      'allow',
      'proto',
      'tcp',
      'from',
      office,
      'to',
      'any',
      'port',
      '5434',
      'comment',
      'drawbridge: gone',
    )
    expect(await asks(5434, office)).toBe('gateway')
    await drawbridge.start()
    await expect.poll(() => tuples().join(), patient).not.toMatch(/5434/)
    expect(await asks(5432, office)).toBe('gateway')
  })

  test('down leaves the rule, down --all takes it away; an ufw that is off gets none', async () => {
    await drawbridge.stop()
    expect(await asks(5432, office)).toBe('gateway')
    await drawbridge.start()
    await drawbridge.cli(['down', '--all'])
    expect(tuples().join()).not.toMatch(/drawbridge|5432/)
    expect(await asks(5432, office)).toBe('timeout')
    await ufw.runs('disable')
    const off = files()
    await drawbridge.start()
    expect(await asks(5432, office)).toBe('gateway')
    expect(await asks(5432, stranger)).toBe('timeout')
    expect(files()).toEqual(off)
    // Switched on, it gets the rule at once.
    await ufw.runs('enable')
    await eventually(5432, office).toBe('gateway')
    expect(tuples().join()).toMatch(/5432/)
  })

  test('an ufw that takes its time holds up nothing else', { timeout: 120_000 }, async () => {
    await drawbridge.cli(['down', '--all'])
    const slowly = 'mount --bind "$1/slow" /usr/sbin/ufw && shift && exec "$@"'
    const directory = join(ufw.etc, '..')
    await lab.gateway.run('sh', ['-ec', 'cp /usr/sbin/ufw "$1/real"', 'sh', directory])
    await writeFile(join(directory, 'slow'), `#!/bin/sh\nsleep 3\nexec ${directory}/real "$@"\n`, {
      mode: 0o755,
    })
    const slow = [...ufw.under, 'unshare', '--mount', 'sh', '-ec', slowly, 'ufw', directory]
    const other = await startDrawbridge(lab, slow)
    const done: string[] = []
    const opening = other
      .opens('tcp/5434', 'self:5434', { name: 'own', from: office })
      .then(() => done.push('opened here'))
    await expect.poll(async () => (await other.api.status(0)).generation, patient).toBe(1)
    await other.opens('tcp/8000', lab.server.at(80), { name: 'web' })
    done.push('sent on')
    await opening
    expect(done).toEqual(['sent on', 'opened here'])
    expect(await asks(5434, office)).toBe('gateway')
    await other.cli(['down', '--all'])
    expect(tuples().join()).not.toMatch(/5434/)
  })
})

/** Services of the gateway itself that are opened, beside a real ufw whose input policy is deny. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { savedRules } from '../lab/saved.ts'
import { canRunUfw, startUfw, type Ufw } from '../lab/ufw.ts'

const patient = { timeout: 20_000 }
const office = '203.0.113.2'
const stranger = '203.0.113.3'
const office6 = '2001:db8:1::2'
const stranger6 = '2001:db8:1::3'

describe.runIf(canRunUfw)('with ufw active', () => {
  let lab: Lab
  let ufw: Ufw
  let drawbridge: Drawbridge
  /** `gateway`, or why not. */
  const asks = (port: number, from: string, protocol: 'tcp' | 'udp' = 'tcp') => {
    const { client, gateway } = lab
    const to = from.includes(':') ? gateway.outside6 : gateway.outside
    return client.asks(to, port, { from, protocol, timeout: 1000 }).then(
      ({ identity }) => identity,
      (error: Error) => (/timeout/.test(error.message) ? 'timeout' : error.message),
    )
  }
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
    await drawbridge.closes('pg')
    expect(await asks(5432, office)).toBe('timeout')
    expect(files()).toEqual(before.files)
    expect(await savedRules(lab.gateway)).toBe(before.rules)
  })
})

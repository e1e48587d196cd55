/** The store is damaged, lost or on a full disk: the forwards go on, it is said why, and what is in force comes back. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { fill, makeReadOnly, mountSmall, unmount } from '../lab/disk.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

const launcher = fileURLToPath(new URL('../../bin/drawbridge', import.meta.url))
const elementsOf = (lab: Lab) =>
  lab.gateway.run('nft', ['-s', 'list', 'map', 'inet', 'drawbridge', 'openings'])
const startAnyhow = (lab: Lab, { state }: Drawbridge) => lab.gateway.spawn(launcher, ['up', '--state', state])

test('a damaged store: the forwards go on, and come back from what was last in force, connections held', async (t) => {
  const lab = await startLab(t)
  await lab.server.answers('tcp', 80)
  const drawbridge = await startDrawbridge(lab)
  const gateway = { version: 1, lists: { office: ['203.0.113.0/24'] }, forwards: [] }
  await drawbridge.api.apply({ gateway })
  await drawbridge.opens('tcp/8000', lab.server.at(80), { from: 'office', note: 'kept' })
  await drawbridge.opens('tcp/8001', lab.server.at(80))
  await drawbridge.opens('tcp/8002', lab.server.at(80))
  await drawbridge.closes('tcp-8002')
  const wanted = (await drawbridge.api.gateway()).gateway
  const held = await lab.client.holds(lab.gateway.outside, 8000)
  await drawbridge.kill9()
  const store = join(drawbridge.state, 'store')
  const database = join(store, 'drawbridge.db')
  for (const name of ['drawbridge.db-wal', 'drawbridge.db-shm']) rmSync(join(store, name), { force: true })
  writeFileSync(database, 'damaged '.repeat(2000))
  const before = await elementsOf(lab)

  const up = startAnyhow(lab, drawbridge)
  await up.says(/store .* cannot be used: file is not a database/, 20_000)
  const status = await drawbridge.cli(['status', '--wait', '10s'])
  expect(status.code).toBe(1)
  expect(status.stderr).toMatch(/drawbridge\.db cannot be used.*\n.*export --last-good/)
  expect((await drawbridge.cli(['open', 'tcp/9000', '10.0.0.5:80'])).stderr).toMatch(/cannot be used/)
  expect(await elementsOf(lab)).toBe(before)
  expect((await lab.client.asks(lab.gateway.outside, 8001)).identity).toBe('server')
  expect(readFileSync(database, 'utf8')).toBe('damaged '.repeat(2000))
  const exported = await drawbridge.cli(['export', '--last-good', '-o', 'json'])
  expect(exported.stderr).toBe('')
  expect(JSON.parse(exported.stdout)).toMatchObject({ lists: wanted.lists, forwards: wanted.forwards })

  renameSync(store, `${store}.damaged`)
  mkdirSync(store)
  const owner = await lab.gateway.run('stat', ['-c', '%u:%g', `${store}.damaged`])
  await lab.gateway.run('chown', [owner.trim(), store])
  await expect
    .poll(async () => (await drawbridge.cli(['status'])).stderr, { timeout: 20_000 })
    .toMatch(/the store is at generation 0, but the kernel holds generation 5/)
  expect(await elementsOf(lab)).toBe(before)
  const file = join(drawbridge.state, 'gateway.json')
  writeFileSync(file, exported.stdout)
  expect((await drawbridge.cli(['apply', '-f', file])).stderr).toMatch(/drawbridge accept/)
  expect(await elementsOf(lab)).toBe(before)
  expect(await drawbridge.cli(['accept'])).toMatchObject({ code: 0 })
  expect(await drawbridge.cli(['status'])).toMatchObject({ code: 0 })
  expect((await drawbridge.api.gateway()).gateway.forwards).toEqual(wanted.forwards)
  for (const port of [8000, 8001])
    expect((await lab.client.asks(lab.gateway.outside, port)).identity).toBe('server')
  expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
  await up.end()
}, 90_000)

test('a full disk: a change is refused and changes nothing; with room the next one works, the boot file too; read-only, it starts nothing', async (t) => {
  const lab = await startLab(t)
  await lab.server.answers('tcp', 80)
  const drawbridge = await startDrawbridge(lab)
  const { state } = drawbridge
  await drawbridge.stop()
  mountSmall(state, '2M')
  t.onTestFinished(() => unmount(state))
  // What `up` lays anew belongs to a state of its own, in a kernel that is cleared first.
  expect((await drawbridge.cli(['down', '--all'])).code).toBe(0)
  await drawbridge.start()
  await drawbridge.opens('tcp/8000', lab.server.at(80))
  const before = await elementsOf(lab)
  fill(state)
  const refused = async () => {
    for (let port = 9000; port < 9100; port += 1) {
      const { code, stderr } = await drawbridge.cli(['open', `tcp/${port}`, '10.0.0.5:80'])
      if (code !== 0) return stderr
    }
    return 'nothing was refused'
  }
  expect(await refused()).toMatch(
    /nothing was changed, as the store .*drawbridge\.db cannot be written.*full/,
  )
  expect((await lab.client.asks(lab.gateway.outside, 8000)).identity).toBe('server')
  expect(await elementsOf(lab)).toContain(before.match(/tcp \. 8000.*/)?.[0].slice(0, 10))
  rmSync(join(state, 'filler'))
  await drawbridge.opens('tcp/8001', lab.server.at(80))
  const { generation } = await drawbridge.api.status(0)
  await expect
    .poll(() => readFileSync(join(state, 'agent', 'boot.nft'), 'utf8'), { timeout: 5000 })
    .toMatch(new RegExp(`end of generation ${generation},.*\n$`))
  await drawbridge.kill9()
  await makeReadOnly(state)
  expect((await drawbridge.cli(['up'])).stderr).toMatch(/the state directory .* cannot be used: .*read-only/)
  expect((await lab.client.asks(lab.gateway.outside, 8001)).identity).toBe('server')
}, 90_000)

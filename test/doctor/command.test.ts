/** The command as its users type it. */
import { expect, test } from 'vitest'
import type { DoctorPage, Mended } from '../../src/api/shapes-doctor.ts'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { startLab } from '../lab/lab.ts'

test('exit 3 with the cause, a plan by --fix --dry-run, and exit 0 when --fix has mended it', {
  timeout: 60_000,
}, async (t) => {
  const lab = await startLab(t)
  const drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await drawbridge.opens('tcp/8080', lab.server.at(80), { name: 'web' })
  const healthy = await drawbridge.cli(['doctor'])
  expect(healthy).toMatchObject({ code: 0, stdout: expect.stringMatching(/^web: nothing is wrong\n/) })

  await drawbridge.api.disable({ names: ['web'] })
  const sick = await drawbridge.cli([
    'doctor',
    'web',
    '--from',
    '203.0.113.2',
    '--symptom',
    'connection refused',
  ])
  expect(sick.code).toBe(3)
  expect(sick.stdout).toMatch(
    /^web: the forward is switched off\n {2}web is switched off: .*\n {2}Switch it on\.\n {4}drawbridge enable web\n {2}Drawbridge can do it: drawbridge doctor web --fix\n/,
  )
  const planned = await drawbridge.cli(['doctor', 'web', '--fix', '--dry-run'])
  expect(planned.code).toBe(3)
  expect(planned.stdout).toMatch(/would change web: /)
  await expect(lab.client.asks(lab.gateway.outside, 8080)).rejects.toThrow('refused')

  const fixed = await drawbridge.cli(['doctor', 'web', '--fix', '-o', 'json'])
  expect(fixed.code).toBe(0)
  const { mended, after } = JSON.parse(fixed.stdout) as Mended
  expect([mended?.code, after?.headline]).toEqual(['disabled', null])
  expect((await lab.client.asks(lab.gateway.outside, 8080)).identity).toBe('server')

  const unknown = await drawbridge.cli(['doctor', 'wbe'])
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('wbe') })
  expect((await drawbridge.cli(['doctor', 'web', '--symptom', 'it is purple'])).code).toBe(2)
  expect((await drawbridge.cli(['doctor', 'web', '--from', 'nowhere'])).code).toBe(2)
  const page = JSON.parse((await drawbridge.cli(['doctor', 'web', '-o', 'json'])).stdout) as DoctorPage
  expect(page).toMatchObject({ headline: null, symptom: null, forwards: [{ name: 'web', headline: null }] })
})

test('what is kept on trial is undone unless it is confirmed', { timeout: 60_000 }, async (t) => {
  const lab = await startLab(t)
  const drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await drawbridge.opens('tcp/8080', lab.server.at(80), { name: 'web', enabled: false })
  const fixed = await drawbridge.cli(['doctor', 'web', '--fix', '--confirm', '60s', '-o', 'json'])
  expect((JSON.parse(fixed.stdout) as Mended).changed?.pending).not.toBeNull()
  await drawbridge.api.confirm()
  expect((await drawbridge.api.status(0)).pending).toBeNull()
})

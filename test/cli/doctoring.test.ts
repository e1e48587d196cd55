import { expect, test } from 'vitest'
import type { DoctorPage } from '../../src/api/shapes-doctor.ts'
import type { Finding } from '../../src/model/finding.ts'
import { runIn, startApi } from './lab.ts'

const finding = (own: Partial<Finding> = {}): Finding => ({
  code: 'forwarding-off',
  forward: 'web',
  title: 'the kernel does not forward packets',
  severity: 'broken',
  evidence: 'net.ipv4.ip_forward is 0',
  remedy: 'Switch it on.',
  command: 'sysctl -w net.ipv4.ip_forward=1',
  mend: null,
  ...own,
})

const page = (
  headline: Finding | null,
  others: readonly Finding[] = [],
  own: Partial<DoctorPage> = {},
): DoctorPage => ({
  generation: 7,
  symptom: null,
  headline,
  forwards: [{ name: 'web', headline, others }],
  unseen: 0,
  ...own,
})

test('one headline with its evidence, remedy and command; exit 3', async () => {
  const note = finding({
    code: 'overloaded',
    severity: 'note',
    title: 'this machine is overloaded',
    evidence: 'its load is 19',
  })
  const { state, asked } = await startApi(() => page(finding(), [note]))
  const { code, out } = await runIn(state, [
    'doctor',
    'web',
    '--from',
    '203.0.113.2',
    '--symptom',
    'connection timed out',
  ])
  expect(code).toBe(3)
  expect(out).toBe(
    [
      'web: the kernel does not forward packets',
      '  net.ipv4.ip_forward is 0',
      '  Switch it on.',
      '    sysctl -w net.ipv4.ip_forward=1',
      '  note: this machine is overloaded: its load is 19',
      '',
    ].join('\n'),
  )
  expect(asked.map(({ path }) => path)).toEqual([
    '/api/v1/doctor?name=web&from=203.0.113.2&symptom=connection+timed+out',
  ])
})

test('healthy is exit 0, and says so; with a symptom that nothing explains, that too', async () => {
  const healthy = await startApi(() => page(null))
  expect(await runIn(healthy.state, ['doctor'])).toMatchObject({ code: 0, out: 'web: nothing is wrong\n' })
  const puzzled = await startApi(() => page(null, [], { symptom: 'refused' }))
  expect(await runIn(puzzled.state, ['doctor', 'web', '--symptom', 'refused'])).toMatchObject({
    code: 0,
    out: 'web: nothing is wrong, and nothing that explains "refused"\n',
  })
})

test('without an agent nothing could be looked at: exit 1', async () => {
  const { state } = await startApi(() => page(finding({ code: 'agent-away' })))
  expect((await runIn(state, ['doctor', 'web'])).code).toBe(1)
})

test('-o json is the whole page', async () => {
  const { state } = await startApi(() => page(finding()))
  const { code, out } = await runIn(state, ['doctor', 'web', '-o', 'json'])
  expect(code).toBe(3)
  expect(JSON.parse(out)).toEqual(page(finding()))
})

test('--fix mends what is ours and looks again', async () => {
  const disabled = finding({
    code: 'disabled',
    mend: { kind: 'enable' },
    title: 'the forward is switched off',
  })
  const { state, asked } = await startApi(() => ({
    before: page(disabled),
    mended: disabled,
    changed: null,
    after: page(null),
  }))
  const { code, out } = await runIn(state, ['doctor', 'web', '--fix', '--confirm', '60s'])
  expect({ code, out }).toEqual({
    code: 0,
    out: 'mended web: the forward is switched off\nweb: nothing is wrong\n',
  })
  expect(asked[0]).toMatchObject({
    method: 'POST',
    path: '/api/v1/doctor',
    body: { name: 'web', confirm: 60 },
  })
})

test('--fix without a name, and --dry-run without --fix, are wrong usage', async () => {
  expect((await runIn('/srv/nothing', ['doctor', '--fix'])).code).toBe(2)
  expect((await runIn('/srv/nothing', ['doctor', 'web', '--dry-run'])).code).toBe(2)
})

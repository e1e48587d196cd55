import { expect, test } from 'vitest'
import { openRequestOf } from '../../src/cli/request.ts'
import { noon } from './lab.ts'

const forwardOf = (operands: string[], options: Parameters<typeof openRequestOf>[1] = {}) =>
  JSON.parse(JSON.stringify(openRequestOf(operands, options, noon).forward))

test.each([
  [['tcp/8443', '10.0.0.5:443'], '10.0.0.5:443'],
  [
    ['tcp/8443', '10.0.0.5:443', '[fd00::5]:443'],
    ['10.0.0.5:443', '[fd00::5]:443'],
  ],
  [['tcp/8443 -> 10.0.0.5:443'], '10.0.0.5:443'],
  [['tcp/8443->10.0.0.5:443'], '10.0.0.5:443'],
  [['tcp/8443 -> 10.0.0.5:443, [fd00::5]:443'], ['10.0.0.5:443', '[fd00::5]:443']],
  [
    ['tcp/8443 -> 10.0.0.5:443', '[fd00::5]:443'],
    ['10.0.0.5:443', '[fd00::5]:443'],
  ],
])('%j is an opening and its targets', (operands, to) => {
  expect(forwardOf(operands)).toEqual({ listen: 'tcp/8443', to })
})

test.each([
  ['tcp', 'tcp'],
  ['http,path=/a=b,every=2s,fall=2,port=81', { check: 'http', path: '/a=b', every: '2s', fall: 2, port: 81 }],
  ['http,path', { check: 'http', path: '' }],
])('--health %s', (health, wanted) => {
  expect(forwardOf(['tcp/1', '10.0.0.5'], { health }).health).toEqual(wanted)
})

test('every wish has its key', () => {
  const request = openRequestOf(
    ['tcp/443', '10.0.0.5'],
    {
      name: 'web',
      from: ['office', ' 203.0.113.7'],
      for: '2h',
      sourceNat: 'masquerade',
      newPerSource: '30/s',
      openPerSource: '200',
      onChange: 'cut',
      note: 'for the night shift',
      disabled: true,
      privileged: true,
      dryRun: true,
    },
    noon,
  )
  expect(request).toEqual({
    forward: {
      listen: 'tcp/443',
      to: '10.0.0.5',
      name: 'web',
      from: ['office', '203.0.113.7'],
      expires: '2026-11-24T14:00:00.000Z',
      source_nat: 'masquerade',
      limits: { new_per_source: '30/s', open_per_source: '200' },
      on_change: 'cut',
      note: 'for the night shift',
      enabled: false,
    },
    privileged: true,
    dry_run: true,
  })
})

test('nothing that was not asked for is sent', () => {
  expect(openRequestOf(['tcp/8443', '10.0.0.5'], {}, noon)).toEqual({
    forward: { listen: 'tcp/8443', to: '10.0.0.5' },
  })
  expect(forwardOf(['tcp/1', '10.0.0.5'], { openPerSource: '5' }).limits).toEqual({ open_per_source: '5' })
})

test('anywhere is what leaving --from out means', () => {
  expect(forwardOf(['tcp/8443', '10.0.0.5'], { from: ['anywhere'] })).not.toHaveProperty('from')
})

test('an empty --from never opens to the world', () => {
  expect(forwardOf(['tcp/8443', '10.0.0.5'], { from: [''] }).from).toEqual([''])
})

test('anywhere beside others is a contradiction', () => {
  expect(() => forwardOf(['tcp/8443', '10.0.0.5'], { from: ['anywhere', 'office'] })).toThrow(
    '--from: anywhere and "office" contradict each other',
  )
})

test.each([
  [[], 'open: LISTEN is missing'],
  [['tcp/8443'], 'open: TARGET is missing'],
  [['tcp/8443 ->'], 'open: TARGET is missing'],
  [['-> 10.0.0.5:443'], 'open: LISTEN is missing'],
  [['tcp/8443', '-'], 'the short form is not quoted'],
])('%j says what is missing', (operands, message) => {
  expect(() => forwardOf(operands)).toThrow(message)
})

test('more than one arrow is left to the server, which refuses the target', () => {
  expect(forwardOf(['tcp/1 -> tcp/2 -> 10.0.0.5'])).toEqual({ listen: 'tcp/1', to: 'tcp/2 -> 10.0.0.5' })
})

test('a bad duration names the flag', () => {
  expect(() => forwardOf(['tcp/1', '10.0.0.5'], { for: 'tomorrow' })).toThrow('--for: "tomorrow"')
})

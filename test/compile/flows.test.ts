/** Which established connections contradict a forward, and which of those must end. */
import { describe, expect, test } from 'vitest'
import { admitterOf } from '../../src/compile/elements.ts'
import { agrees, type Flow, mustEnd } from '../../src/compile/flows.ts'
import { endpointsOf, nothingKnown } from '../../src/model/endpoints.ts'
import { type Forward, parseForward } from '../../src/model/forward.ts'

const flow: Flow = {
  protocol: 'tcp',
  family: 4,
  source: '198.51.100.9',
  sourcePort: 50000,
  destination: '203.0.113.5',
  port: 8001,
  target: '10.0.0.5',
  targetPort: 81,
}
const forward = { listen: 'tcp/8000-8001', to: ['10.0.0.5:80', '[fd00::5]:80'], from: '198.51.100.0/24' }

function judging(forward: Forward) {
  const endpoints = endpointsOf(forward, nothingKnown)
  return { forward, endpoints, entrance: undefined, admits: admitterOf(forward, new Map()) }
}

describe('a flow', () => {
  test.each([
    ['as the forward would send it', {}, {}, true],
    ['to a target that has changed', {}, { to: '10.0.0.6:80' }, false],
    ['to a port that has changed', {}, { to: '10.0.0.5:90' }, false],
    ['of a family that has no target any more', {}, { to: '[fd00::5]:80' }, false],
    ['from a source that is not allowed any more', {}, { from: '10.0.0.0/8' }, false],
    ['from a source that is one of anybody', {}, { from: 'anywhere' }, true],
    ['through a forward that is switched off', {}, { enabled: false }, false],
    ['of the other family', { family: 6, source: 'fd00::9', target: 'fd00::5' }, { from: 'fd00::/8' }, true],
  ] as const)('%s', (_, difference, change, expected) => {
    const now = parseForward({ ...forward, ...change })
    expect(agrees({ ...flow, ...difference }, judging(now))).toBe(expected)
  })

  test('of ping has no ports to compare', () => {
    const ping = { ...flow, protocol: 'icmp', port: 0, targetPort: 0 } as const
    const icmp = parseForward('icmp@203.0.113.5 -> 10.0.0.5')
    expect(agrees(ping, judging(icmp))).toBe(true)
  })
})

test.each([
  ['drain', 'tcp', false],
  ['drain', 'udp', true],
  ['drain', 'icmp', true],
  ['cut', 'tcp', true],
  ['keep', 'tcp', false],
  ['keep', 'udp', false],
] as const)('on_change: %s, %s ends: %s', (on_change, protocol, expected) => {
  expect(mustEnd({ ...flow, protocol }, on_change)).toBe(expected)
})

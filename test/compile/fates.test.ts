/** What becomes of established connections when forwards change, and how that is told. */
import { describe, expect, test } from 'vitest'
import { effectsOf, judgeOf, type Left, overtakerOf } from '../../src/compile/fates.ts'
import type { Flow } from '../../src/compile/flows.ts'
import { nothingKnown } from '../../src/model/endpoints.ts'
import { type Forward, parseForward } from '../../src/model/forward.ts'
import { asKept, noChange, Register } from '../../src/model/register.ts'

const web = { name: 'web', listen: 'tcp+udp/8000', to: '10.0.0.5:80' } as const
const flow: Flow = {
  protocol: 'tcp',
  family: 4,
  source: '198.51.100.9',
  sourcePort: 50000,
  destination: '203.0.113.5',
  port: 8000,
  target: '10.0.0.5',
  targetPort: 80,
}
const left: Left = { former: [], present: [], unknown: false, ours: new Set(['203.0.113.5']) }

function registerOf(...forwards: readonly Forward[]): Register {
  const register = new Register()
  register.apply({ ...noChange, put: forwards }, asKept)
  return register
}

describe('a connection of a forward', () => {
  test.each([
    ['that is as it was', {}, 'tcp', undefined],
    ['whose target has changed drains by TCP', { to: '10.0.0.6:80' }, 'tcp', 'drain'],
    ['whose target has changed moves by UDP', { to: '10.0.0.6:80' }, 'udp', 'move'],
    ['that cuts breaks by TCP', { to: '10.0.0.6:80', on_change: 'cut' }, 'tcp', 'break'],
    ['that cuts moves by UDP', { to: '10.0.0.6:80', on_change: 'cut' }, 'udp', 'move'],
    ['that keeps goes on by UDP', { to: '10.0.0.6:80', on_change: 'keep' }, 'udp', 'drain'],
    ['that refuses its source now breaks by UDP', { from: '10.9.0.0/16' }, 'udp', 'break'],
    ['that is switched off breaks by UDP', { enabled: false }, 'udp', 'break'],
  ] as const)('%s', (_, change, protocol, fate) => {
    const judge = judgeOf(registerOf(parseForward({ ...web, ...change })), nothingKnown, {
      ...left,
      former: [parseForward(web)],
    })
    expect(judge({ ...flow, protocol })).toEqual(fate && { forward: 'web', fate })
  })

  test('that is closed goes by what the forward said', () => {
    const closed = (on_change: 'drain' | 'cut') =>
      judgeOf(registerOf(), nothingKnown, { ...left, former: [parseForward({ ...web, on_change })] })
    expect(closed('drain')(flow)?.fate).toBe('drain')
    expect(closed('cut')(flow)?.fate).toBe('break')
    expect(closed('drain')({ ...flow, protocol: 'udp' })?.fate).toBe('break')
  })

  test('of nobody is left alone, unless nothing is known of before', () => {
    expect(judgeOf(registerOf(), nothingKnown, left)({ ...flow, protocol: 'udp' })).toBeUndefined()
    expect(
      judgeOf(registerOf(), nothingKnown, { ...left, unknown: true })({ ...flow, protocol: 'udp' })?.fate,
    ).toBe('break')
  })

  test('of forwards of several moments that overlap is judged by the first that took it', () => {
    const former = [
      parseForward({ ...web, name: 'one', listen: 'tcp/8000', on_change: 'cut' }),
      parseForward({ ...web, name: 'two', listen: 'tcp/8000-8001', on_change: 'keep' }),
    ]
    const judge = judgeOf(registerOf(), nothingKnown, { ...left, former })
    expect(judge(flow)).toEqual({ forward: 'one', fate: 'break' })
    expect(judge({ ...flow, port: 8001 })).toEqual({ forward: 'two', fate: 'drain' })
  })

  test('ends in a lockdown, but for a session with this machine itself', () => {
    const register = registerOf(parseForward(web))
    register.apply({ ...noChange, settings: { ...register.settings, locked: true } }, asKept)
    const judge = judgeOf(register, nothingKnown, { ...left, former: [parseForward(web)] })
    expect(judge(flow)).toEqual({ forward: 'web', fate: 'break' })
    expect(judge({ ...flow, target: '203.0.113.5' })).toBeUndefined()
    expect(judge({ ...flow, target: '203.0.113.5', protocol: 'udp' })?.fate).toBe('break')
  })
})

test('datagrams that this machine answered until now are taken over', () => {
  const own = { ...flow, protocol: 'udp', target: flow.destination, targetPort: flow.port } as const
  const forward = parseForward(web)
  const overtaker = overtakerOf(registerOf(forward), { ...left, present: 'all' })
  expect(overtaker(own)).toEqual({ forward: 'web', fate: 'move' })
  expect(overtaker({ ...own, protocol: 'tcp' })).toBeUndefined()
  expect(overtaker({ ...own, destination: '203.0.113.6', target: '203.0.113.6' })).toBeUndefined()
  expect(overtakerOf(registerOf(forward), left)(own)).toBeUndefined()
})

test('effects name the networks of the clients, the gravest and the busiest first', () => {
  const from = (source: string, fate: 'drain' | 'break') => ({
    forward: 'web',
    fate,
    flow: { ...flow, source, family: source.includes(':') ? (6 as const) : (4 as const) },
  })
  const many = Array.from({ length: 10 }, (_, index) => from(`10.${index}.0.1`, 'drain'))
  expect(
    effectsOf([
      ...many,
      from('10.9.0.2', 'drain'),
      from('2001:db8::9', 'break'),
      from('2001:db8::a', 'break'),
    ]),
  ).toEqual([
    {
      forward: 'web',
      fate: 'break',
      flows: 2,
      networks: [{ network: '2001:db8::/64', flows: 2 }],
      more: 0,
    },
    {
      forward: 'web',
      fate: 'drain',
      flows: 11,
      networks: [
        { network: '10.9.0.0/24', flows: 2 },
        ...Array.from({ length: 7 }, (_, index) => ({ network: `10.${index}.0.0/24`, flows: 1 })),
      ],
      more: 2,
    },
  ])
})
